"""What users said of the agents of their runs; what is undone is kept.

Every change of a tenant's feedback gets the next number. A reader that keeps the number it has
read to learns with `since` what was said or undone meanwhile, whoever did it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    insert,
    select,
    update,
)

from ..errors import UnknownName
from ..values import Feedback, Scope
from .claims import require_run, scope_of
from .database import Database, batched
from .tables import feedback, feedback_marks, scoped, within

# Built once: every query asks for it.
_SINCE: Select[Any] = (
    select(feedback)
    .where(feedback.c.tenant == bindparam("tenant"), feedback.c.seq > bindparam("after"))
    .order_by(feedback.c.seq, feedback.c.created_at, feedback.c.id, feedback.c.agent)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one user said of one agent; a feedback is one vote for each of its agents.

    `score` in -1..1: whether the agent should answer such a query. It counts no more from
    `undone_at` on; `seq` is the number of its last change.
    """

    feedback_id: str
    run_id: str
    query: str
    agent: str
    score: float
    user: str
    created_at: datetime
    undone_at: datetime | None
    seq: int


class Feedbacks:
    """Keeps and reads feedback."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def put(
        self, scope: Scope, run_id: str, agents: Sequence[str], score: float, *, comment: str = ""
    ) -> Feedback:
        """Keep what the scope's user says of agents of a run, each named once.

        What the user said of the same agents and run before counts no more.

        Raises:
            UnknownName: the scope has no such run.
        """
        with self._database.writing(f"feedback {scope.tenant}") as connection:
            run = require_run(connection, scope, run_id)
            seq, now = _next_seq(connection, scope), self._clock()
            for some in batched(agents):
                said_before = and_(feedback.c.run_id == run_id, feedback.c.agent.in_(some))
                _undo(connection, scope, said_before, now, seq)
            vote = {
                **scoped(scope_of(run)),
                "id": uuid4().hex,
                "run_id": run_id,
                "query": run.query,
                "score": score,
                "comment": comment,
                "created_at": now,
                "seq": seq,
            }
            connection.execute(insert(feedback), [vote | {"agent": agent} for agent in agents])
            return _read(connection, scope, [vote["id"]])[0]

    def undo(self, scope: Scope, feedback_id: str) -> Feedback:
        """Let a feedback count no more, and return it; undoing twice changes nothing.

        Raises:
            UnknownName: the scope has no such feedback.
        """
        with self._database.writing(f"feedback {scope.tenant}") as connection:
            found = _read(connection, scope, [feedback_id])
            if not found:
                raise UnknownName(
                    f"There is no feedback {feedback_id!r}. 'callboard feedback list' shows it."
                )
            if not found[0].standing:
                return found[0]
            seq = _next_seq(connection, scope)
            _undo(connection, scope, feedback.c.id == feedback_id, self._clock(), seq)
            return _read(connection, scope, [feedback_id])[0]

    def list(
        self, scope: Scope, *, run_id: str | None = None, undone: bool = False, limit: int = 50
    ) -> tuple[Feedback, ...]:
        """Return the last feedback, newest first: of one run, or of all.

        With `undone`, also that of which nothing stands any more.
        """
        columns = feedback.c
        query = (
            select(columns.id, columns.created_at)
            .distinct()
            .where(within(columns, scope))
            .order_by(columns.created_at.desc(), columns.id.desc())
            .limit(limit)
        )
        if run_id is not None:
            query = query.where(columns.run_id == run_id)
        if not undone:
            query = query.where(columns.undone_at.is_(None))
        with self._database.reading() as connection:
            ids = [row.id for row in connection.execute(query)]
            return _read(connection, scope, ids)

    def version(self, scope: Scope) -> int:
        """Return the number of the tenant's last change; 0 before the first."""
        with self._database.reading() as connection:
            return _seq(connection, scope)

    def since(self, scope: Scope, seq: int) -> tuple[Vote, ...]:
        """Return the votes of all users of the tenant that came or were undone after `seq`.

        They come in the order of their changes: read on from the `seq` of the last one. One that
        came and was undone meanwhile is among them.
        """
        with self._database.reading() as connection:
            rows = connection.execute(_SINCE, {"tenant": scope.tenant, "after": seq})
            return tuple(map(_vote, rows))


def _seq(connection: Connection, scope: Scope) -> int:
    query = select(feedback_marks.c.seq).where(feedback_marks.c.tenant == scope.tenant)
    return connection.execute(query).scalar() or 0


def _next_seq(connection: Connection, scope: Scope) -> int:
    """Count a change and return its number."""
    seq = _seq(connection, scope) + 1
    count = update(feedback_marks).where(feedback_marks.c.tenant == scope.tenant)
    if connection.execute(count.values(**scoped(scope), seq=seq)).rowcount == 0:
        connection.execute(insert(feedback_marks), {**scoped(scope), "seq": seq})
    return seq


def _undo(
    connection: Connection, scope: Scope, which: ColumnElement[bool], now: datetime, seq: int
) -> None:
    standing = feedback.c.undone_at.is_(None)
    change = update(feedback).where(within(feedback.c, scope), standing, which)
    connection.execute(change.values(undone_at=now, seq=seq))


def _read(connection: Connection, scope: Scope, ids: Sequence[str]) -> tuple[Feedback, ...]:
    """Return the feedback of the scope with these ids, in their order."""
    found: dict[str, Feedback] = {}
    for some in batched(ids):
        query = (
            select(feedback)
            .where(within(feedback.c, scope), feedback.c.id.in_(some))
            .order_by(feedback.c.id, feedback.c.agent)
        )
        rows = connection.execute(query).all()
        for id_, votes in groupby(rows, key=lambda row: row.id):
            found[id_] = _feedback(tuple(votes))
    return tuple(found[id_] for id_ in ids if id_ in found)


def _feedback(votes: Sequence[Row[Any]]) -> Feedback:
    first = votes[0]
    return Feedback(
        id=first.id,
        run_id=first.run_id,
        user=first.user_id,
        query=first.query,
        agents=tuple(vote.agent for vote in votes),
        standing=tuple(vote.agent for vote in votes if vote.undone_at is None),
        score=first.score,
        comment=first.comment,
        created_at=first.created_at,
    )


def _vote(row: Row[Any]) -> Vote:
    return Vote(
        feedback_id=row.id,
        run_id=row.run_id,
        query=row.query,
        agent=row.agent,
        score=row.score,
        user=row.user_id,
        created_at=row.created_at,
        undone_at=row.undone_at,
        seq=row.seq,
    )
