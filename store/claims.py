"""Who works on which run: leases, so that the runs of a dead process are taken over.

An owner is a process; its name must be unique among all that ever work on the database. Every
claim of a run gets the next fencing token: what an owner writes that lost the run in the meantime
(a paused process, a slow disk) is refused. Leases compare the clocks of the machines that share
the database: those should differ by less than a lease.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, select, update

from ..errors import StoreError, UnknownName
from ..values import Scope
from .database import Database
from .tables import runs, within

GOING = ("queued", "running")
"""The statuses of a run that has not ended."""

# Built once: to build a statement takes longer than SQLite takes to run it.
_FOUND: Select[Any] = select(runs).where(
    runs.c.tenant == bindparam("tenant"),
    runs.c.user_id == bindparam("user_id"),
    runs.c.id == bindparam("run_id"),
)
_CLAIMED: Any = _FOUND.with_only_columns(
    runs.c.owner, runs.c.fence, runs.c.status, runs.c.last_seq, runs.c.created_at
).with_for_update()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right of an owner to write to a run, until another one takes it over."""

    scope: Scope
    run_id: str
    owner: str
    fence: int


class Claims:
    """Takes runs, keeps them and lets them go."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def claim_expired(
        self, owner: str, lease_s: float, *, now: datetime | None = None, limit: int = 10
    ) -> tuple[Claim, ...]:
        """Take over at most `limit` runs of other owners whose leases have expired, oldest first.

        Works for all tenants: an owner finishes what anyone had begun.
        """
        now = now or self._clock()
        query = (
            select(runs)
            .where(runs.c.status.in_(GOING), runs.c.lease_until < now, runs.c.owner != owner)
            .order_by(runs.c.lease_until)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._database.writing() as connection:
            rows = connection.execute(query).all()
            claims = tuple(_next_claim(row, owner) for row in rows)
            for claim in claims:
                connection.execute(
                    update(runs)
                    .where(runs.c.id == claim.run_id)
                    .values(
                        owner=owner,
                        fence=claim.fence,
                        status="running",
                        lease_until=now + timedelta(seconds=lease_s),
                    )
                )
        return claims

    def heartbeat(self, owner: str, lease_s: float) -> int:
        """Renew the leases of all runs that `owner` still holds; return how many these are."""
        return self._lease(owner, self._clock() + timedelta(seconds=lease_s))

    def release(self, owner: str) -> int:
        """Let all leases of `owner` expire now, so that others may go on; return how many."""
        return self._lease(owner, self._clock())

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

    def cancel_requested(self, claim: Claim) -> bool:
        """Say whether someone asked for the run to be cancelled."""
        query = select(runs.c.cancel_requested).where(
            within(runs.c, claim.scope), runs.c.id == claim.run_id
        )
        with self._database.reading() as connection:
            return bool(connection.execute(query).scalar())

    def _lease(self, owner: str, until: datetime) -> int:
        change = (
            update(runs)
            .where(runs.c.owner == owner, runs.c.status.in_(GOING))
            .values(lease_until=until)
        )
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
    """Lock the claimed run until the transaction ends; return its `last_seq` and `created_at`.

    Raises:
        StoreError: another owner has taken the run over, it has ended, or it was deleted.
    """
    terms = {"tenant": claim.scope.tenant, "user_id": claim.scope.user, "run_id": claim.run_id}
    row: Row[Any] | None = connection.execute(_CLAIMED, terms).first()
    if row is None:
        raise StoreError(f"There is no run {claim.run_id!r}: nothing was stored. It was deleted.")
    if (row.owner, row.fence) != (claim.owner, claim.fence):
        raise StoreError(
            f"The run {claim.run_id!r} was taken over from {claim.owner!r} by {row.owner!r}, "
            "because its lease had expired: nothing was stored. Stop working on it; a longer "
            "limits.lease_s makes this rarer."
        )
    if row.status not in GOING:
        raise StoreError(
            f"The run {claim.run_id!r} has ended ({row.status}): nothing was stored. "
            "Start a new run."
        )
    return row


def scope_of(row: Row[Any]) -> Scope:
    """Return the scope that a row belongs to."""
    return Scope(tenant=row.tenant, user=row.user_id, session=row.session)


def _next_claim(row: Row[Any], owner: str) -> Claim:
    return Claim(scope=scope_of(row), run_id=row.id, owner=owner, fence=row.fence + 1)
