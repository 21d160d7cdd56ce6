"""The audit log: a change is written down before it is made, and what became of it after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, insert, select, tuple_, update

from ..errors import UnknownName
from ..records import Change
from ..values import JSON, Scope
from .database import Database
from .tables import changes, scoped


class Changes:
    """Writes and reads the audit log of each tenant; nothing in it is ever changed or deleted."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def asked(
        self, scope: Scope, key_id: str | None, action: str, object_: str, detail: JSON = None
    ) -> str:
        """Write down that a change is asked for; return the id of the entry."""
        row = {
            **scoped(scope),
            "id": uuid4().hex,
            "key_id": key_id,
            "action": action,
            "object": object_,
            "detail": detail,
            "outcome": "asked",
            "created_at": self._clock(),
        }
        with self._database.writing() as connection:
            connection.execute(insert(changes), row)
        return str(row["id"])

    def ended(self, id_: str, error: str | None) -> None:
        """Write down what became of it: done, or refused with an error."""
        outcome = "done" if error is None else "refused"
        change = update(changes).where(changes.c.id == id_, changes.c.outcome == "asked")
        with self._database.writing() as connection:
            connection.execute(change.values(outcome=outcome, error=error))

    def list(self, tenant: Scope, *, limit: int, before: str | None = None) -> tuple[Change, ...]:
        """Return the last changes of a tenant, the newest first.

        `before` is the id of the last entry of the page before.

        Raises:
            UnknownName: the tenant has no such entry.
        """
        columns = changes.c
        query = (
            select(changes)
            .where(columns.tenant == tenant.tenant)
            .order_by(columns.created_at.desc(), columns.id.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            if before is not None:
                place = select(columns.created_at, columns.id).where(
                    columns.tenant == tenant.tenant, columns.id == before
                )
                last = connection.execute(place).first()
                if last is None:
                    raise UnknownName(f"The audit log has no entry {before!r}.")
                query = query.where(tuple_(columns.created_at, columns.id) < tuple(last))
            return tuple(_change(row) for row in connection.execute(query))


def _change(row: Row[Any]) -> Change:
    return Change(
        id=row.id,
        scope=Scope(tenant=row.tenant, user=row.user_id, session=row.session),
        key_id=row.key_id,
        action=row.action,
        object=row.object,
        detail=row.detail,
        outcome=row.outcome,
        error=row.error,
        created_at=row.created_at,
    )
