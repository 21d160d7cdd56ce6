"""The event log of each run, read by its sequence numbers; `Runs.record` writes it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, get_args

from sqlalchemy import Row, select

from ..codec import from_json, to_json
from ..values import Event, EventBody, Scope
from .claims import GOING, Claim, require_run
from .database import Database
from .tables import events, runs, scoped, within

_BODIES: dict[str, type[EventBody]] = {kind.__name__: kind for kind in get_args(EventBody)}


class Events:
    """Reads event logs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, scope: Scope, run_id: str, seq: int, *, limit: int = 1000) -> tuple[Event, ...]:
        """Return the events after number `seq` (0: from the first), at most `limit`, in order.

        Raises:
            UnknownName: the scope has no such run.
        """
        query = (
            select(events)
            .where(within(events.c, scope), events.c.run_id == run_id, events.c.seq > seq)
            .order_by(events.c.seq)
            .limit(limit)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
            if not rows:
                require_run(connection, scope, run_id)
        return tuple(_event(row) for row in rows)

    def news(self, run_ids: Collection[str]) -> dict[str, tuple[int, bool]]:
        """Return the number of the last event of each run that there is, and whether it ended.

        For those who were shown the run, and wait.
        """
        query = select(runs.c.id, runs.c.last_seq, runs.c.status).where(runs.c.id.in_(run_ids))
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return {row.id: (row.last_seq, row.status not in GOING) for row in rows}


def event_values(claim: Claim, seq: int, body: EventBody) -> dict[str, Any]:
    """Return an event as the values of its row."""
    return {
        **scoped(claim.scope),
        "run_id": claim.run_id,
        "seq": seq,
        "type": type(body).__name__,
        "payload": to_json(body),
    }


def _event(row: Row[Any]) -> Event:
    body = from_json(_BODIES[row.type], row.payload)
    return Event(run_id=row.run_id, seq=row.seq, body=body)
