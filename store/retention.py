"""How long things are kept: what is older goes, in small batches, so that nobody waits for it.

A run that has not ended stays, and so do the ledger lines that its limits are reckoned from. What
was spent each day stays for ever: limits of a session and of a day read it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
)

from ..values import EVERYONE, Scope
from .claims import GOING
from .database import Database
from .erasing import erase_chunks, erase_feedback, erase_runs
from .tables import (
    agent_versions,
    chunks,
    feedback,
    ledger,
    runs,
    session_titles,
    summaries,
)

if TYPE_CHECKING:
    from ..config import RetentionSettings

Old: TypeAlias = Select[*tuple[Any, ...]]
"""The query of what is too old."""

RUNS_AT_ONCE = 50
"""Runs of one transaction, with the thousands of rows that belong to them."""
ROWS_AT_ONCE = 500
"""Rows of one transaction, of any other kind."""
BREATH_S = 0.02
"""Between two batches, so that others come to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """What of one kind is too old, by when it had to come to be kept and now; how a batch goes."""

    old: Callable[[datetime, datetime], Old]
    prune: Callable[[Database, Old], int]


class Retention:
    """Tells what is too old, and deletes it. `now` is that of the store's clock."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def due(self, settings: RetentionSettings) -> dict[str, int]:
        """Return how many of each kind are too old now; kinds that are kept for ever are left out.

        A run counts once, with all that belongs to it.
        """
        with self._database.reading() as connection:
            return {
                kind: int(
                    connection.execute(select(func.count()).select_from(old.subquery())).scalar()
                    or 0
                )
                for kind, (_, old) in self._chosen(settings).items()
            }

    def prune_some(self, settings: RetentionSettings) -> dict[str, int]:
        """Delete a batch of each kind; return how many went. All zeros: nothing is left to do.

        Batches follow each other, whoever prunes, so that several processes may.
        """
        return {
            kind: rule.prune(self._database, old)
            for kind, (rule, old) in self._chosen(settings).items()
        }

    def prune(self, settings: RetentionSettings) -> dict[str, int]:
        """Delete all that is too old; return how many of each kind went."""
        gone = dict.fromkeys(self._chosen(settings), 0)
        while any((some := self.prune_some(settings)).values()):
            gone = {kind: gone[kind] + some[kind] for kind in gone}
            time.sleep(BREATH_S)
        return gone

    def _chosen(self, settings: RetentionSettings) -> dict[str, tuple[_Rule, Old]]:
        now, chosen = self._clock(), {}
        for kind, rule in _RULES.items():
            days: int | None = getattr(settings, _DAYS[kind])
            if days is not None:
                chosen[kind] = rule, rule.old(now - timedelta(days=days), now)
        return chosen


def _old_runs(since: datetime, now: datetime) -> Old:
    # Of summaries, which are narrow; what is still going on is asked of the run itself.
    going = select(runs.c.id).where(runs.c.status.in_(GOING))
    return select(summaries.c.run_id).where(
        summaries.c.created_at < since, summaries.c.run_id.not_in(going)
    )


def _prune_runs(database: Database, old: Old) -> int:
    with database.writing("retention") as connection:
        ids = connection.execute(old.limit(RUNS_AT_ONCE)).scalars().all()
        return erase_runs(connection, ids)


def _old_titles(since: datetime, now: datetime) -> Old:
    columns = session_titles.c
    asked = exists().where(
        summaries.c.tenant == columns.tenant,
        summaries.c.user_id == columns.user_id,
        summaries.c.session == columns.session,
    )
    return select(columns.tenant, columns.user_id, columns.session).where(~asked)


def _old_feedback(since: datetime, now: datetime) -> Old:
    return select(feedback.c.id).where(feedback.c.created_at < since).distinct()


def _prune_feedback(database: Database, old: Old) -> int:
    with database.writing("retention") as connection:
        ids = connection.execute(old.limit(ROWS_AT_ONCE)).scalars().all()
        return len(ids) if ids and erase_feedback(connection, feedback.c.id.in_(ids)) else 0


def _old_chunks(since: datetime, now: datetime) -> Old:
    return select(chunks.c.tenant, chunks.c.user_id, chunks.c.id).where(
        chunks.c.created_at < since, chunks.c.user_id != EVERYONE
    )


def _prune_chunks(database: Database, old: Old) -> int:
    with database.reading() as connection:
        first = connection.execute(old.limit(1)).first()
    if first is None:
        return 0
    owner = Scope(tenant=first.tenant, user=first.user_id)
    of_owner = old.where(chunks.c.tenant == owner.tenant, chunks.c.user_id == owner.user)
    with database.writing("retention") as connection:
        # The oldest first: a version never outlives the one that took its place.
        query = of_owner.order_by(chunks.c.created_at, chunks.c.sequence).limit(ROWS_AT_ONCE)
        ids = [row.id for row in connection.execute(query)]
        return erase_chunks(connection, owner, ids)


def _old_lines(since: datetime, now: datetime) -> Old:
    columns = ledger.c
    reserved = and_(columns.status == "reserved", columns.expires_at >= now)
    of_going = exists().where(
        or_(runs.c.id == columns.run_id, runs.c.id == columns.account), runs.c.status.in_(GOING)
    )
    return select(columns.id).where(columns.created_at < since, ~reserved, ~of_going)


def _old_versions(since: datetime, now: datetime) -> Old:
    columns, later = agent_versions.c, agent_versions.alias()
    replaced = exists().where(
        later.c.tenant == columns.tenant,
        later.c.name == columns.name,
        later.c.version > columns.version,
    )
    return select(columns.tenant, columns.name, columns.version).where(
        columns.updated_at < since, replaced
    )


def _by_key(*key: ColumnElement[Any]) -> Callable[[Database, Old], int]:
    """Return what deletes rows of a table by its key."""

    def prune(database: Database, old: Old) -> int:
        with database.writing("retention") as connection:
            keys = [tuple(row) for row in connection.execute(old.limit(ROWS_AT_ONCE))]
            if not keys:
                return 0
            chosen = delete(key[0].table).where(tuple_(*key).in_(keys))
            return connection.execute(chosen).rowcount

    return prune


_RULES: Mapping[str, _Rule] = {
    "runs": _Rule(old=_old_runs, prune=_prune_runs),
    "session_titles": _Rule(
        old=_old_titles,
        prune=_by_key(session_titles.c.tenant, session_titles.c.user_id, session_titles.c.session),
    ),
    "feedback": _Rule(old=_old_feedback, prune=_prune_feedback),
    "memory": _Rule(old=_old_chunks, prune=_prune_chunks),
    "ledger": _Rule(old=_old_lines, prune=_by_key(ledger.c.id)),
    "agent_versions": _Rule(
        old=_old_versions,
        prune=_by_key(agent_versions.c.tenant, agent_versions.c.name, agent_versions.c.version),
    ),
}
_DAYS = {
    "runs": "runs_days",
    "session_titles": "runs_days",
    "feedback": "feedback_days",
    "memory": "memory_days",
    "ledger": "ledger_days",
    "agent_versions": "agent_versions_days",
}
"""The setting of each kind. A title goes when no run of its session is left."""
