"""Who works on which run: leases, so that the runs of a dead process are taken over.

An owner is a process; its name must be unique among all that ever work on the database. Every
claim of a run gets the next fencing token: what an owner writes that lost the run in the meantime
(a paused process, a slow disk) is refused. Leases are by the clock of the database's server; on
SQLite by that of the machine, which all its processes share.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, or_, select, update

from ..errors import StoreError, UnknownName
from ..values import JSON, Scope
from .columns import utc_now
from .database import Database
from .tables import runs, within

GOING = ("queued", "running")
"""The statuses of a run that has not ended."""

NOBODY = ""
"""The owner of a run that waits for one."""

# Built once: to build a statement takes longer than SQLite takes to run it.
_FOUND: Select[Any] = select(runs).where(
    runs.c.tenant == bindparam("tenant"),
    runs.c.user_id == bindparam("user_id"),
    runs.c.id == bindparam("run_id"),
)
_CLAIMED: Any = _FOUND.with_only_columns(
    runs.c.owner,
    runs.c.fence,
    runs.c.status,
    runs.c.last_seq,
    runs.c.losses,
    runs.c.created_at,
).with_for_update()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right of an owner to write to a run, until another one takes it over."""

    scope: Scope
    run_id: str
    owner: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A run that was claimed, as it stood then.

    `options` are what it was created with, `last_seq` is the number of its last event, and
    `losses` tells how many owners in a row died over it before it got on.
    """

    claim: Claim
    options: JSON
    last_seq: int = 0
    losses: int = 0
    cancel_requested: bool = False


class Claims:
    """Takes runs, keeps them and lets them go. Works for all tenants, as an owner does."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._lease_clock: Callable[[], Any] = database.now if clock is utc_now else clock

    def claim_expired(
        self, owner: str, lease_s: float, *, carried: Collection[str] = (), limit: int = 10
    ) -> tuple[Taken, ...]:
        """Take over at most `limit` runs whose leases have expired, oldest first.

        Those that `owner` has itself are among them, for it may have dropped some; not so those
        in `carried`, on which it is at work.
        """
        query = (
            select(runs)
            .where(self._expired(), or_(runs.c.owner != owner, runs.c.id.not_in(carried)))
            .order_by(runs.c.lease_until)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._database.writing() as connection:
            return self._claim(connection, query, owner, lease_s)

    def heartbeat(self, owner: str, lease_s: float, run_ids: Collection[str]) -> int:
        """Renew the leases of those of these runs that `owner` still has; return how many."""
        return self._change(
            and_(runs.c.owner == owner, runs.c.id.in_(run_ids)), lease_until=self._until(lease_s)
        )

    def release(self, owner: str) -> int:
        """Let all runs of `owner` go, so that others may go on at once; return how many."""
        return self._change(runs.c.owner == owner, owner=NOBODY, lease_until=self._lease_clock())

    def outlive(self, claim: Claim) -> bool:
        """Say that the owner of a claim lives, although others had to take it for dead.

        It counts as no loss then. False if nobody has taken the run over.
        """
        taken_over = and_(runs.c.id == claim.run_id, runs.c.fence > claim.fence, runs.c.losses > 0)
        return bool(self._change(taken_over, losses=runs.c.losses - 1))

    def request_cancel(self, scope: Scope, run_id: str) -> bool:
        """Ask the run's owner to cancel it; False if the run has already ended.

        Raises:
            UnknownName: the scope has no such run.
        """
        change = (
            update(runs)
            .where(within(runs.c, scope), runs.c.id == run_id, runs.c.status.in_(GOING))
            .values(cancel_requested=True)
        )
        with self._database.writing() as connection:
            if connection.execute(change).rowcount:
                return True
            require_run(connection, scope, run_id)
            return False

    def cancelled(self, run_ids: Collection[str]) -> frozenset[str]:
        """Return which of these runs someone asked to cancel."""
        query = select(runs.c.id).where(runs.c.id.in_(run_ids), runs.c.cancel_requested)
        with self._database.reading() as connection:
            return frozenset(connection.execute(query).scalars())

    def _expired(self) -> Any:
        return and_(runs.c.status == "running", runs.c.lease_until < self._lease_clock())

    def _until(self, lease_s: float) -> Any:
        return self._lease_clock() + timedelta(seconds=lease_s)

    def _claim(
        self, connection: Connection, query: Select[Any], owner: str, lease_s: float
    ) -> tuple[Taken, ...]:
        """Give what the query finds, and locks, to `owner`."""
        taken = tuple(_taken(row, owner) for row in connection.execute(query))
        for one in taken:
            connection.execute(
                update(runs)
                .where(runs.c.id == one.claim.run_id)
                .values(
                    owner=owner,
                    fence=one.claim.fence,
                    status="running",
                    lease_until=self._until(lease_s),
                    losses=one.losses,
                )
            )
        return taken

    def _change(self, chosen: Any, **values: Any) -> int:
        change = update(runs).where(chosen, runs.c.status.in_(GOING)).values(**values)
        with self._database.writing() as connection:
            return connection.execute(change).rowcount


def require_run(connection: Connection, scope: Scope, run_id: str) -> Row[Any]:
    """Return the run's row.

    Raises:
        UnknownName: the scope has no such run.
    """
    terms = {"tenant": scope.tenant, "user_id": scope.user, "run_id": run_id}
    row = connection.execute(_FOUND, terms).first()
    if row is None or scope.session not in (None, row.session):
        raise unknown_run(run_id)
    return row


def unknown_run(run_id: str) -> UnknownName:
    """Return the error for a run that the scope does not have."""
    return UnknownName(f"There is no run {run_id!r}. 'callboard runs list' shows the last ones.")


def lock_claimed(connection: Connection, claim: Claim) -> Row[Any]:
    """Lock the claimed run until the transaction ends, and return how it stands.

    Raises:
        StoreError: another owner has taken the run over, or it was deleted.
    """
    terms = {"tenant": claim.scope.tenant, "user_id": claim.scope.user, "run_id": claim.run_id}
    row: Row[Any] | None = connection.execute(_CLAIMED, terms).first()
    if row is None:
        raise StoreError(f"There is no run {claim.run_id!r}: nothing was stored. It was deleted.")
    if (row.owner, row.fence) != (claim.owner, claim.fence):
        if row.owner == NOBODY:
            raise StoreError(f"The run {claim.run_id!r} was let go: nothing was stored.")
        raise StoreError(
            f"The run {claim.run_id!r} was taken over from {claim.owner!r} by {row.owner!r}, "
            "because its lease had expired: nothing was stored. Stop working on it; a longer "
            "limits.lease_s makes this rarer."
        )
    return row


def require_going(claim: Claim, row: Row[Any]) -> None:
    """See that the run goes on.

    Raises:
        StoreError: it has ended.
    """
    if row.status not in GOING:
        raise StoreError(
            f"The run {claim.run_id!r} has ended ({row.status}): nothing was stored. "
            "Start a new run."
        )


def scope_of(row: Row[Any]) -> Scope:
    """Return the scope that a row belongs to."""
    return Scope(tenant=row.tenant, user=row.user_id, session=row.session)


def _taken(row: Row[Any], owner: str) -> Taken:
    claim = Claim(scope=scope_of(row), run_id=row.id, owner=owner, fence=row.fence + 1)
    died = row.status == "running" and row.owner != NOBODY  # and did not let it go
    return Taken(
        claim=claim,
        options=row.options,
        last_seq=row.last_seq,
        losses=row.losses + died,
        cancel_requested=row.cancel_requested,
    )
