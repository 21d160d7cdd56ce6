"""The ledger: what every call of a run was allowed to cost, and what it did cost.

What counts against a limit is the settled cost, and the bound of every call whose cost is not
known: one that goes on, one that was settled without a price, and one that nobody settled in
time. The process of the last has probably died, but the call may have been paid for; so it stays
counted, and is shown as `unknown`. Late news still settles it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Row, and_, case, func, or_, select

from ..records import Spend
from ..values import Scope, from_nano
from .allowance import Allowance
from .booking import Booking, Books, LedgerMeter, of_run, total
from .database import Database
from .spending import Sums
from .tables import ledger, within


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One call in the ledger; `settled_usd` None: not known, or not yet."""

    id: str
    run_id: str
    model: str
    reserved_usd: Decimal | None
    settled_usd: Decimal | None
    status: Literal["reserved", "settled", "released", "unknown"]
    created_at: datetime


class Ledger:
    """Gives meters and makes bookings, safe among threads and processes; tells what was spent."""

    def __init__(self, database: Database, clock: Callable[[], datetime], books: Books) -> None:
        self._database = database
        self._clock = clock
        self._books = books

    def meter(
        self,
        scope: Scope,
        run_id: str,
        *,
        allowance: Allowance,
        step: str = "",
        agent: str | None = None,
        account: str | None = None,
        books: Books | None = None,
    ) -> LedgerMeter:
        """Return the meter of a run. `books` make its bookings; None: each in its transaction.

        `step` is what the money is spent on, and `agent` for whom; `account` is the run whose
        money it is, if that is another one.

        Without a limit everything is allowed and recorded. Under one, a call of unknown price is
        refused unless the allowance says otherwise, and then counts 0 until it is settled.
        """
        return LedgerMeter(
            books=books or self._books,
            clock=self._clock,
            scope=scope,
            run_id=run_id,
            allowance=allowance,
            step=step,
            agent=agent,
            account=account,
        )

    def book(self, booking: Booking) -> None:
        """Make a booking in a transaction of its own."""
        lines = () if booking.line is None else (booking.line,)
        with self._database.writing(*lines) as connection:
            sums = Sums(connection)
            booking.make(connection, sums)
            sums.write()

    def spent(self, scope: Scope, run_id: str) -> Decimal:
        """Return what the run has cost: settled, and the bounds of calls of unknown cost.

        Money that is set aside for calls still going on is not in it.
        """
        over = or_(ledger.c.status != "reserved", ledger.c.expires_at < self._clock())
        with self._database.reading() as connection:
            return from_nano(total(connection, and_(of_run(scope, run_id), over)))

    def spend(
        self,
        scope: Scope,
        *,
        everyone: bool = False,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> tuple[Spend, ...]:
        """Return what was spent, by day (UTC), user, step, agent and model; oldest first.

        With `everyone` by all users of the tenant. What was released is no call; one that goes on,
        or was lost, is of unknown cost.
        """
        columns = ledger.c
        day = func.date(columns.created_at)
        known = columns.status == "settled"
        query = (
            select(
                day.label("day"),
                columns.user_id,
                columns.step,
                columns.agent,
                columns.model,
                func.count().label("calls"),
                func.sum(case((known, 0), else_=1)).label("unknown"),
                func.sum(case((known, columns.settled_nano), else_=0)).label("nano"),
                func.sum(func.coalesce(columns.input_tokens, 0)).label("input_tokens"),
                func.sum(func.coalesce(columns.output_tokens, 0)).label("output_tokens"),
            )
            .where(
                columns.tenant == scope.tenant if everyone else within(columns, scope),
                columns.status != "released",
            )
            .group_by(day, columns.user_id, columns.step, columns.agent, columns.model)
            .order_by(day)
        )
        if since is not None:
            query = query.where(columns.created_at >= since)
        if until is not None:
            query = query.where(columns.created_at < until)
        with self._database.reading() as connection:
            return tuple(_spend(row) for row in connection.execute(query))

    def entries(self, scope: Scope, run_id: str) -> tuple[Entry, ...]:
        """Return the calls of a run, oldest first."""
        query = (
            select(ledger).where(of_run(scope, run_id)).order_by(ledger.c.created_at, ledger.c.id)
        )
        now = self._clock()
        with self._database.reading() as connection:
            return tuple(_entry(row, now) for row in connection.execute(query))


def _spend(row: Row[Any]) -> Spend:
    return Spend(
        day=date.fromisoformat(str(row.day)),
        user=row.user_id,
        step=row.step,
        agent=row.agent,
        model=row.model,
        calls=row.calls,
        unknown=int(row.unknown),
        known_usd=from_nano(int(row.nano)),
        input_tokens=int(row.input_tokens),
        output_tokens=int(row.output_tokens),
    )


def _entry(row: Row[Any], now: datetime) -> Entry:
    lost = row.status == "reserved" and row.expires_at < now
    reserved, settled = row.reserved_nano, row.settled_nano
    return Entry(
        id=row.id,
        run_id=row.run_id,
        model=row.model,
        reserved_usd=None if reserved is None else from_nano(reserved),
        settled_usd=None if settled is None else from_nano(settled),
        status="unknown" if lost else row.status,
        created_at=row.created_at,
    )
