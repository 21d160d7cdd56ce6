"""The registered agents of each tenant, with every version that they ever had.

They belong to the tenant: every user of it sees them. A change bumps the version of the tenant's
registry in the same transaction, so that other processes see it by one cheap SELECT.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from ..errors import InvalidInput, UnknownName
from ..values import JSON, Scope
from .database import Database, batched
from .tables import agent_versions, agents, registries, scoped

SHOWN = 5
"""Names that one message shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRow:
    """An agent as it is stored. `spec` None: in a history or among changes, it was removed."""

    name: str
    version: int
    spec: JSON
    created_at: datetime
    updated_at: datetime


class AgentRows:
    """Reads and changes the agents of a tenant."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def version(self, scope: Scope) -> int:
        """Return the version of the tenant's registry; 0 before the first agent."""
        with self._database.reading() as connection:
            return _registry_version(connection, scope)

    def all(self, scope: Scope) -> tuple[AgentRow, ...]:
        """Return the agents by name."""
        return self.snapshot(scope)[1]

    def snapshot(self, scope: Scope) -> tuple[int, tuple[AgentRow, ...]]:
        """Return the registry's version and exactly the agents of that version."""
        query = select(agents).where(agents.c.tenant == scope.tenant).order_by(agents.c.name)
        with self._database.reading() as connection:
            version = _registry_version(connection, scope)
            return version, tuple(_row(row) for row in connection.execute(query))

    def get(self, scope: Scope, name: str) -> AgentRow:
        """Return one agent.

        Raises:
            UnknownName: the tenant has no agent of this name.
        """
        with self._database.reading() as connection:
            row = _find(connection, scope, (name,)).get(name)
        if row is None:
            raise UnknownName(f"There is no agent {name!r}. 'callboard agents list' shows them.")
        return row

    def changes(
        self, scope: Scope, since: int, *, also: Collection[str] = ()
    ) -> tuple[int, tuple[AgentRow, ...]]:
        """Return the registry's version, and as they are now the agents changed after `since`.

        `spec` None: it was removed. Agents named in `also` are among them, changed or not.
        """
        versions, names = agent_versions.c, tuple(also)
        query = (
            select(agent_versions)
            .where(versions.tenant == scope.tenant, versions.registry_version > since)
            .order_by(versions.version)  # of each agent the last one stays below
        )
        with self._database.reading() as connection:
            version = _registry_version(connection, scope)
            found = _find(connection, scope, names)
            found |= {row.name: _row(row) for row in connection.execute(query)}
        return version, tuple(found.values())

    def put(self, scope: Scope, name: str, spec: JSON, *, replace: bool) -> AgentRow:
        """Register an agent; the same spec again changes nothing.

        Raises:
            InvalidInput: the name is taken by another spec and `replace` is False.
        """
        return self.put_all(scope, {name: spec}, replace=replace)[0]

    def put_all(
        self, scope: Scope, specs: Mapping[str, JSON], *, replace: bool
    ) -> tuple[AgentRow, ...]:
        """Register agents by name, all or none of them; those with the same spec stay as they are.

        Raises:
            InvalidInput: a name is taken by another spec and `replace` is False.
        """
        specs = {name: json.loads(json.dumps(spec)) for name, spec in specs.items()}
        with self._writing(scope) as connection:
            rows = _find(connection, scope, tuple(specs))
            new = [name for name in specs if name not in rows or not _same(rows[name], specs[name])]
            taken = [name for name in new if name in rows]
            if taken and not replace:
                raise InvalidInput(_taken(taken))
            now, versions = self._clock(), _last_versions(connection, scope, new)
            for name in new:
                created_at = rows[name].created_at if name in rows else now
                rows[name] = AgentRow(
                    name=name,
                    version=versions.get(name, 0) + 1,
                    spec=specs[name],
                    created_at=created_at,
                    updated_at=now,
                )
            if new:
                _delete(connection, scope, taken)
                changed = [rows[name] for name in new]
                connection.execute(insert(agents), [_values(scope, row) for row in changed])
                _record(connection, scope, changed)
        return tuple(rows[name] for name in specs)

    def remove(self, scope: Scope, name: str) -> bool:
        """Remove an agent; False if there was none. Its history stays."""
        with self._writing(scope) as connection:
            old = _find(connection, scope, (name,)).get(name)
            if old is None:
                return False
            _delete(connection, scope, (name,))
            gone = AgentRow(
                name=name,
                version=_last_versions(connection, scope, (name,))[name] + 1,
                spec=None,
                created_at=old.created_at,
                updated_at=self._clock(),
            )
            _record(connection, scope, (gone,))
        return True

    def history(self, scope: Scope, name: str) -> tuple[AgentRow, ...]:
        """Return every version of an agent, oldest first; removals have `spec` None."""
        query = (
            select(agent_versions)
            .where(agent_versions.c.tenant == scope.tenant, agent_versions.c.name == name)
            .order_by(agent_versions.c.version)
        )
        with self._database.reading() as connection:
            return tuple(_row(row) for row in connection.execute(query))

    def _writing(self, scope: Scope) -> AbstractContextManager[Connection]:
        return self._database.writing(f"registry {scope.tenant}")


def _same(old: AgentRow, new: JSON) -> bool:
    # As text: Python holds True and 1 for equal.
    return json.dumps(old.spec, sort_keys=True) == json.dumps(new, sort_keys=True)


def _taken(names: Sequence[str]) -> str:
    if len(names) == 1:
        return (
            f"The agent {names[0]!r} is already registered with another spec. "
            "Pass replace=True to replace it, or choose another name."
        )
    return (
        f"{len(names):,} agents are already registered with another spec: "
        f"{', '.join(map(repr, names[:SHOWN]))}{' and more' if len(names) > SHOWN else ''}. "
        "Pass replace=True to replace them, or choose other names."
    )


# Built once: every turn looks.
_VERSION = select(registries.c.version).where(registries.c.tenant == bindparam("tenant"))


def _registry_version(connection: Connection, scope: Scope) -> int:
    return connection.execute(_VERSION, {"tenant": scope.tenant}).scalar() or 0


def _last_versions(connection: Connection, scope: Scope, names: Sequence[str]) -> dict[str, int]:
    """Return the last version of each agent that there ever was."""
    columns = agent_versions.c
    last: dict[str, int] = {}
    for some in batched(names):
        query = (
            select(columns.name, func.max(columns.version))
            .where(columns.tenant == scope.tenant, columns.name.in_(some))
            .group_by(columns.name)
        )
        last.update((name, version) for name, version in connection.execute(query))
    return last


def _find(connection: Connection, scope: Scope, names: Sequence[str]) -> dict[str, AgentRow]:
    found: dict[str, AgentRow] = {}
    for some in batched(names):
        query = select(agents).where(agents.c.tenant == scope.tenant, agents.c.name.in_(some))
        found.update((row.name, _row(row)) for row in connection.execute(query))
    return found


def _delete(connection: Connection, scope: Scope, names: Sequence[str]) -> None:
    for some in batched(names):
        chosen = delete(agents).where(agents.c.tenant == scope.tenant, agents.c.name.in_(some))
        connection.execute(chosen)


def _record(connection: Connection, scope: Scope, rows: Sequence[AgentRow]) -> None:
    """Add to the history, all under the next version of the registry."""
    version = _registry_version(connection, scope) + 1
    bump = (
        update(registries)
        .where(registries.c.tenant == scope.tenant)
        .values(**scoped(scope), version=version)
    )
    if connection.execute(bump).rowcount == 0:
        connection.execute(insert(registries), {**scoped(scope), "version": version})
    values = [_values(scope, row) | {"registry_version": version} for row in rows]
    connection.execute(insert(agent_versions), values)


def _values(scope: Scope, row: AgentRow) -> dict[str, Any]:
    return {
        **scoped(scope),
        "name": row.name,
        "version": row.version,
        "spec": row.spec,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _row(row: Row[Any]) -> AgentRow:
    return AgentRow(
        name=row.name,
        version=row.version,
        spec=row.spec,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
