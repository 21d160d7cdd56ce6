"""The queue: runs that were accepted and wait until a process has room for them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, exists, func, select, update

from ..errors import Busy
from .claims import GOING, Claims, Taken
from .tables import runs, summaries


def _in_fair_order() -> Select[Any]:
    """Return the query of all that wait, whose turn it is first.

    Tenants take turns, and so do the users of each: what they have running counts as their turns.
    A run that waits at a user's n-th place follows the n-1 first of everybody else, so that one who
    sends a thousand queries does not keep the others waiting.
    """
    going = runs.c.status.in_(GOING)
    first = (runs.c.status.desc(), runs.c.created_at, runs.c.id)  # "running" before "queued"
    place = func.row_number()
    by_user = (
        select(
            runs.c.id,
            runs.c.tenant,
            runs.c.status,
            runs.c.created_at,
            place.over(partition_by=(runs.c.tenant, runs.c.user_id), order_by=first).label("place"),
        )
        .where(going)
        .subquery()
    )
    columns = by_user.c
    by_tenant = select(
        columns.id,
        place.over(
            partition_by=columns.tenant,
            order_by=(columns.status.desc(), columns.place, columns.created_at, columns.id),
        ).label("place"),
    ).subquery()
    return (
        select(runs)
        .join(by_tenant, by_tenant.c.id == runs.c.id)
        .where(runs.c.status == "queued")
        .order_by(by_tenant.c.place, runs.c.created_at, runs.c.id)
        .with_for_update(of=runs, skip_locked=True)
    )


_NEXT = _in_fair_order()


class Waiting(NamedTuple):
    """Whether runs wait for an owner, and whether owners of others have died."""

    queued: bool
    expired: bool


class Queue(Claims):
    """Takes runs that wait."""

    def waiting(self) -> Waiting:
        """Tell what there is to do for an owner with room."""
        queued = exists().where(runs.c.status == "queued")
        query = select(queued, exists().where(self._expired()))
        with self._database.reading() as connection:
            return Waiting(*map(bool, connection.execute(query).one()))

    def claim_queued(
        self, owner: str, lease_s: float, *, limit: int, only: Collection[str] | None = None
    ) -> tuple[Taken, ...]:
        """Take at most `limit` runs that wait, in fair order; of those in `only`, if it is given.

        Works for all tenants, as an owner does.
        """
        query = _NEXT.limit(limit)
        if only is not None:
            query = query.where(runs.c.id.in_(only))
        with self._database.writing() as connection:
            taken = self._claim(connection, query, owner, lease_s)
            begun = [one.claim.run_id for one in taken]
            if begun:
                connection.execute(
                    update(summaries).where(summaries.c.run_id.in_(begun)).values(status="running")
                )
        return taken


def see_room(connection: Connection, most: int) -> None:
    """See that another run may wait.

    Raises:
        Busy: as many wait as may.
    """
    query = select(func.count()).select_from(runs).where(runs.c.status == "queued")
    waiting = int(connection.execute(query).scalar() or 0)
    if waiting >= most:
        raise Busy(
            f"{waiting:,} queries wait for their turn already, as many as may ([limits] queue). "
            "Ask again in a moment, or start another worker on the same database."
        )
