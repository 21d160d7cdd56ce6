"""The registered agents of each tenant, with every version that they ever had.

They belong to the tenant: every user of it sees them. A change bumps the version of the tenant's
registry in the same transaction, so that other processes see it by one cheap SELECT.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from ..errors import InvalidInput, UnknownName
from ..values import JSON, Scope
from .database import Database
from .tables import agent_versions, agents, registries, scoped


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRow:
    """An agent as it is stored. `spec` is None only in a history, where it was removed."""

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
            row = _find(connection, scope, name)
        if row is None:
            raise UnknownName(f"There is no agent {name!r}. 'callboard agents list' shows them.")
        return row

    def put(self, scope: Scope, name: str, spec: JSON, *, replace: bool) -> AgentRow:
        """Register an agent; the same spec again changes nothing.

        Raises:
            InvalidInput: the name is taken by another spec and `replace` is False.
        """
        spec = json.loads(json.dumps(spec))
        with self._writing(scope) as connection:
            old = _find(connection, scope, name)
            if old is not None and _same(old.spec, spec):
                return old
            if old is not None and not replace:
                raise InvalidInput(
                    f"The agent {name!r} is already registered with another spec. "
                    "Pass replace=True to replace it, or choose another name."
                )
            now = self._clock()
            new = AgentRow(
                name=name,
                version=_next_version(connection, scope, name),
                spec=spec,
                created_at=now if old is None else old.created_at,
                updated_at=now,
            )
            if old is not None:
                _delete(connection, scope, name)
            connection.execute(insert(agents), _values(scope, new))
            _record(connection, scope, new)
        return new

    def remove(self, scope: Scope, name: str) -> bool:
        """Remove an agent; False if there was none. Its history stays."""
        with self._writing(scope) as connection:
            old = _find(connection, scope, name)
            if old is None:
                return False
            _delete(connection, scope, name)
            gone = AgentRow(
                name=name,
                version=_next_version(connection, scope, name),
                spec=None,
                created_at=old.created_at,
                updated_at=self._clock(),
            )
            _record(connection, scope, gone)
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
        return self._database.writing(lock=f"registry {scope.tenant}")


def _same(old: JSON, new: JSON) -> bool:
    # As text: Python holds True and 1 for equal.
    return json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)


def _registry_version(connection: Connection, scope: Scope) -> int:
    query = select(registries.c.version).where(registries.c.tenant == scope.tenant)
    return connection.execute(query).scalar() or 0


def _next_version(connection: Connection, scope: Scope, name: str) -> int:
    versions = agent_versions.c
    query = select(func.max(versions.version)).where(
        versions.tenant == scope.tenant, versions.name == name
    )
    return (connection.execute(query).scalar() or 0) + 1


def _find(connection: Connection, scope: Scope, name: str) -> AgentRow | None:
    query = select(agents).where(agents.c.tenant == scope.tenant, agents.c.name == name)
    row = connection.execute(query).first()
    return None if row is None else _row(row)


def _delete(connection: Connection, scope: Scope, name: str) -> None:
    connection.execute(delete(agents).where(agents.c.tenant == scope.tenant, agents.c.name == name))


def _record(connection: Connection, scope: Scope, row: AgentRow) -> None:
    """Add to the history and bump the registry's version."""
    connection.execute(insert(agent_versions), _values(scope, row))
    bump = (
        update(registries)
        .where(registries.c.tenant == scope.tenant)
        .values(**scoped(scope), version=registries.c.version + 1)
    )
    if connection.execute(bump).rowcount == 0:
        connection.execute(insert(registries), {**scoped(scope), "version": 1})


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
