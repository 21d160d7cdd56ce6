"""All that is kept of a user: to hand it over, to erase it, and to see that nothing is left.

Whatever table there is, its rows of the user are deleted, unless the table is one of those below:
what they tell belongs to the tenant, and only whose doing it was is forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)

from ..errors import StoreError
from ..values import EVERYONE, JSON, Scope
from .backup import kind_of, plain
from .chunks import count_erasure
from .claims import GOING, scope_of
from .database import Database
from .erasing import erase_chunks, erase_runs
from .retention import ROWS_AT_ONCE, RUNS_AT_ONCE
from .tables import (
    agent_versions,
    agents,
    changes,
    chunks,
    expert_marks,
    experts,
    feedback_marks,
    ledger,
    metadata,
    registries,
    runs,
    spending,
    within,
)
from .upsert import upsert

DELETED = "(deleted)"
"""Stands where a user stood who was forgotten."""

OF_TENANT: tuple[Table[Any], ...] = (
    registries,
    agents,
    agent_versions,
    feedback_marks,
    ledger,
    spending,
    changes,
    expert_marks,
    experts,
)
"""What stays without the user: the agents and experts that they registered, money that was paid,
and the audit log."""


ANYWHERE = Scope(tenant=EVERYONE, user=EVERYONE)
"""Its mark counts the users that were forgotten, of whatever tenant."""


class Users:
    """Exports and forgets what is kept of the user of a scope, in all sessions.

    `derived` are tables that not every database has: what they hold is made of the others.
    """

    def __init__(self, database: Database, derived: Sequence[Table[Any]] = ()) -> None:
        self._database = database
        self._tables = (*metadata.sorted_tables, *derived)

    def kept(self, scope: Scope) -> dict[str, int]:
        """Return how many rows there are of the user, by table; tables without are left out."""
        with self._database.reading() as connection:
            counts = {
                table.name: int(
                    connection.execute(
                        select(func.count()).select_from(table).where(_owned(table, scope))
                    ).scalar()
                    or 0
                )
                for table in self._tables
            }
        return {name: count for name, count in counts.items() if count}

    def export(self, scope: Scope) -> dict[str, list[dict[str, JSON]]]:
        """Return all rows of the user by table, as JSON; embeddings are left out.

        They are numbers that are made of the texts.
        """
        tables: dict[str, list[dict[str, JSON]]] = {}
        with self._database.reading() as connection:
            for table in metadata.sorted_tables:
                kinds = {one.name: kind_of(one) for one in table.columns}
                told = [name for name, kind in kinds.items() if kind != "bytes"]
                query = select(*(table.c[name] for name in told)).where(_owned(table, scope))
                rows = [
                    {name: plain(kinds[name], value) for name, value in zip(told, row, strict=True)}
                    for row in connection.execute(query)
                ]
                if rows:
                    tables[table.name] = rows
        return tables

    def going(self, scope: Scope) -> tuple[tuple[Scope, str], ...]:
        """Return the runs of the user, and those begun for theirs, that have not ended."""
        query = select(runs).where(
            or_(_owned(runs, scope), _begun_for(scope)), runs.c.status.in_(GOING)
        )
        with self._database.reading() as connection:
            return tuple((scope_of(row), row.id) for row in connection.execute(query))

    def forget(self, scope: Scope) -> Counter[str]:
        """Delete what is kept of the user, and their name; return how many rows, by table.

        Runs that an agent began for a run of theirs, for whatever user, go too. It is done in
        several transactions, so that nobody waits long, and may be done again.

        Raises:
            StoreError: the database can't be used, or SQLite's log is being read for long.
        """
        gone = Counter(self.kept(scope))
        while some := self._forget_begun(scope):  # first: by the runs of this user they are known
            gone += some
        while self._forget_runs(scope) or self._forget_chunks(scope):
            pass
        with self._database.writing() as connection:
            for table in reversed(self._tables):
                if table not in OF_TENANT:
                    connection.execute(delete(table).where(_owned(table, scope)))
                elif table is not spending:
                    nobody = {"user_id": DELETED, "session": None}
                    connection.execute(update(table).where(_owned(table, scope)).values(nobody))
            _add_to_nobody(connection, scope)
            named = and_(changes.c.tenant == scope.tenant, changes.c.object == scope.user)
            connection.execute(update(changes).where(named).values(object=DELETED))
            count_erasure(connection, ANYWHERE)
        if not self._database.scrub():
            raise StoreError(
                f"All of {scope.user!r} is deleted, but the log of {self._database.name!r} "
                "is being read and still holds it. Forget the user again in a moment."
            )
        return gone

    def _forget_begun(self, scope: Scope) -> Counter[str]:
        """Delete some runs that were begun for the user's, and what other users heard of them."""
        gone = Counter[str]()
        with self._database.writing("retention") as connection:
            query = select(runs.c.id, runs.c.user_id).where(_begun_for(scope)).limit(RUNS_AT_ONCE)
            found = connection.execute(query).all()
            ids = [row.id for row in found]
            for user in {row.user_id for row in found}:
                owner = Scope(tenant=scope.tenant, user=user)
                heard = select(chunks.c.id).where(within(chunks.c, owner), chunks.c.run_id.in_(ids))
                ids_heard = connection.execute(heard).scalars().all()
                gone["chunks"] += erase_chunks(connection, owner, ids_heard)
            gone["runs"] += erase_runs(connection, ids)
        return +gone

    def _forget_runs(self, scope: Scope) -> int:
        with self._database.writing("retention") as connection:
            query = select(runs.c.id).where(_owned(runs, scope)).limit(RUNS_AT_ONCE)
            return erase_runs(connection, connection.execute(query).scalars().all())

    def _forget_chunks(self, scope: Scope) -> int:
        with self._database.writing("retention") as connection:
            query = select(chunks.c.id).where(_owned(chunks, scope)).limit(ROWS_AT_ONCE)
            ids = connection.execute(query).scalars().all()
            return erase_chunks(connection, scope.owner, ids)


def _owned(table: Table[Any], scope: Scope) -> ColumnElement[bool]:
    return and_(table.c.tenant == scope.tenant, table.c.user_id == scope.user)


def _begun_for(scope: Scope) -> ColumnElement[bool]:
    """Hold for runs of other users that an agent began while it worked for a run of this one."""
    begun_by = runs.c.options[("account", "run_id")].as_string()
    of_user = select(runs.c.id).where(_owned(runs, scope))
    return and_(runs.c.tenant == scope.tenant, runs.c.user_id != scope.user, begun_by.in_(of_user))


def _add_to_nobody(connection: Connection, scope: Scope) -> None:
    """Let what the user spent each day be nobody's, of no session."""
    taken = delete(spending).where(_owned(spending, scope)).returning(*spending.c)
    sums = Counter[tuple[str, str, str]]()
    for row in connection.execute(taken):
        sums[row.day, row.agent, row.model] += row.counted_nano
    nobody = {"tenant": scope.tenant, "user_id": DELETED, "session": ""}
    rows = [
        {**nobody, "day": day, "agent": agent, "model": model, "counted_nano": nano}
        for (day, agent, model), nano in sums.items()
    ]
    if rows:
        connection.execute(upsert(connection, spending, adding="counted_nano"), rows)
