"""Runs and what they did. One transaction per `record`: a run is never seen half written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, bindparam, insert, select, tuple_, update

from ..codec import from_json, to_json
from ..errors import InvalidInput
from ..values import JSON, Decision, EventBody, Exchange, Run, Scope, Step
from .booking import Booking
from .claims import NOBODY, Claim, lock_claimed, require_going, require_run, scope_of
from .columns import storable
from .events import event_values
from .queue import Queue, see_room
from .spending import Sums
from .steps import read_steps, store_steps
from .summaries import begin_summary, summarize
from .tables import events as event_log
from .tables import runs, scoped, within


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended."""

    status: Literal["done", "failed", "cancelled"]
    answer: str | None = None
    error: str | None = None


class Runs(Queue):
    """Creates, records and reads runs; `Claims` says who may write to which.

    Whoever loses the connection in the middle of a commit does not know whether it was made, and
    asks again: what is stored already is recognized, and not stored twice.
    """

    def create(
        self,
        scope: Scope,
        run_id: str,
        query: str,
        *,
        options: JSON,
        owner: str,
        lease_s: float,
        replays: str | None = None,
    ) -> Claim:
        """Store a new run, running, and give it to `owner` for `lease_s` seconds.

        `replays` is the run that is asked again with it.

        Raises:
            InvalidInput: there is another run of this id already.
        """
        with self._database.writing(f"run {run_id}") as connection:
            if not _is_there(connection, scope, run_id, query):
                until = self._until(lease_s)
                row = {"options": options, "status": "running", "owner": owner, "fence": 1}
                self._add(connection, scope, run_id, {**row, "query": query}, until, replays)
        return Claim(scope=scope, run_id=run_id, owner=owner, fence=1)

    def enqueue(
        self,
        scope: Scope,
        run_id: str,
        query: str,
        *,
        options: JSON,
        most: int,
        replays: str | None = None,
    ) -> None:
        """Store a new run that waits for an owner, unless `most` or more wait already.

        Raises:
            Busy: so many wait; nothing was stored.
            InvalidInput: there is another run of this id already.
        """
        with self._database.writing(f"run {run_id}") as connection:
            if not _is_there(connection, scope, run_id, query):
                see_room(connection, most)
                until = self._until(0)
                row = {"options": options, "status": "queued", "owner": NOBODY, "fence": 0}
                self._add(connection, scope, run_id, {**row, "query": query}, until, replays)

    def record(
        self,
        claim: Claim,
        *,
        steps: Sequence[Step] = (),
        events: Sequence[EventBody] = (),
        decision: Decision | None = None,
        end: RunEnd | None = None,
        bookings: Sequence[Booking] = (),
        after: int | None = None,
    ) -> int:
        """Store what happened, all of it or nothing; return the number of the last event.

        A step replaces the one of the same key. Events get the next numbers, from 1. A booking
        that is refused says so itself, and holds up nothing else. `after` is the number of the last
        event that the owner knows of: if there is a later one, this very record was stored before.

        Raises:
            StoreError: another owner has taken the run over, or it has ended.
        """
        lines = sorted({booking.line for booking in bookings if booking.line is not None})
        with self._database.writing(*lines) as connection:
            row = lock_claimed(connection, claim)
            if after is not None and row.last_seq > after:
                return int(row.last_seq)
            require_going(claim, row)
            sums = Sums(connection)
            for booking in bookings:
                booking.make(connection, sums)
            last = int(row.last_seq)
            store_steps(connection, claim, steps)
            rows = [event_values(claim, last + n, body) for n, body in enumerate(events, 1)]
            if rows:
                connection.execute(insert(event_log), rows)
            changes: dict[str, Any] = {"last_seq": last + len(rows)} if rows else {}
            latency_s = None
            if row.losses and any(step.status == "done" for step in steps):
                changes["losses"] = 0
            if decision is not None:
                changes["decision"] = to_json(decision)
            if end is not None:
                changes |= {"status": end.status, "answer": end.answer, "error": end.error}
                changes["finished_at"] = self._clock()
                latency_s = (changes["finished_at"] - row.created_at).total_seconds()
            if changes:
                connection.execute(_CHANGED, {**changes, "the_run": claim.run_id})
            if decision is not None or end is not None:
                status = end.status if end else None
                summarize(connection, claim, decision=decision, status=status, latency_s=latency_s)
            sums.write()  # last: other runs may wait for these rows
        return last + len(rows)

    def get(self, scope: Scope, run_id: str) -> Run:
        """Return a run with its steps, in the order in which they began.

        Raises:
            UnknownName: the scope has no such run.
        """
        with self._database.reading() as connection:
            row = require_run(connection, scope, run_id)
            steps = read_steps(connection, scope, (run_id,), outputs=True)
        return _run(row, steps[run_id])

    def list(self, scope: Scope, *, limit: int = 50, before: str | None = None) -> tuple[Run, ...]:
        """Return the last runs, newest first, with steps but without the steps' outputs.

        `before` is the id of the run that ended the page before.

        Raises:
            UnknownName: the scope has no run `before`.
        """
        query = _newest_first(scope, limit)
        with self._database.reading() as connection:
            if before is not None:
                last = require_run(connection, scope, before)
                place = tuple_(runs.c.created_at, runs.c.id)
                query = query.where(place < (last.created_at, last.id))
            rows = connection.execute(query).all()
            steps = read_steps(connection, scope, [row.id for row in rows], outputs=False)
        return tuple(_run(row, steps[row.id]) for row in rows)

    def steps(self, scope: Scope, run_id: str) -> tuple[Step, ...]:
        """Return the steps of a run, in the order in which they began.

        Raises:
            UnknownName: the scope has no such run.
        """
        return self.get(scope, run_id).steps

    def options(self, scope: Scope, run_id: str) -> JSON:
        """Return what the run was created with.

        Raises:
            UnknownName: the scope has no such run.
        """
        with self._database.reading() as connection:
            return require_run(connection, scope, run_id).options

    def exchanges(
        self, scope: Scope, *, limit: int, before: datetime | None = None
    ) -> tuple[Exchange, ...]:
        """Return the last answered queries of the session, oldest first; none without a session.

        With `before` only those that were asked before that instant.
        """
        if scope.session is None:
            return ()
        query = _newest_first(scope, limit).where(
            runs.c.status == "done", runs.c.answer.is_not(None)
        )
        if before is not None:
            query = query.where(runs.c.created_at < before)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return tuple(_exchange(row) for row in reversed(rows))

    def _add(
        self,
        connection: Connection,
        scope: Scope,
        run_id: str,
        values: dict[str, Any],
        lease_until: Any,
        replays: str | None,
    ) -> None:
        now = self._clock()
        row = {
            **scoped(scope),
            "id": run_id,
            "created_at": now,
            "cancel_requested": False,
            "last_seq": 0,
            "losses": 0,
            **values,
        }
        connection.execute(insert(runs).values(lease_until=lease_until), row)
        begin_summary(connection, scope, run_id, now, replays, values["status"])


_TAKEN: Any = select(runs.c.tenant, runs.c.user_id, runs.c.session, runs.c.query).where(
    runs.c.id == bindparam("the_run")
)
_CHANGED = update(runs).where(runs.c.id == bindparam("the_run"))


def _is_there(connection: Connection, scope: Scope, run_id: str, query: str) -> bool:
    """Say whether this very run was stored before.

    Raises:
        InvalidInput: another one was, with its id.
    """
    found = connection.execute(_TAKEN, {"the_run": run_id}).first()
    if found is None:
        return False
    if (scope_of(found), found.query) != (scope, storable(query)):
        raise InvalidInput(f"The run id {run_id!r} is taken. Use a new one.")
    return True


def _newest_first(scope: Scope, limit: int) -> Select[Any]:
    return (
        select(runs)
        .where(within(runs.c, scope))
        .order_by(runs.c.created_at.desc(), runs.c.id.desc())
        .limit(limit)
    )


def _run(row: Row[Any], steps: tuple[Step, ...]) -> Run:
    return Run(
        id=row.id,
        scope=scope_of(row),
        query=row.query,
        status=row.status,
        created_at=row.created_at,
        finished_at=row.finished_at,
        answer=row.answer,
        decision=None if row.decision is None else from_json(Decision, row.decision),
        steps=steps,
        error=row.error,
    )


def _exchange(row: Row[Any]) -> Exchange:
    agents = row.decision["agents"] if row.decision else ()
    return Exchange(run_id=row.id, query=row.query, answer=row.answer, agents=tuple(agents))
