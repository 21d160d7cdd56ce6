"""Bookings: money set aside for a call, settled or given back, in whatever transaction is open.

A call sets an upper bound aside before it is made and is settled after. A run makes its bookings
in the transactions that record its steps, so that a call costs no more of them than its steps do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    and_,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    update,
)

from ..errors import BudgetExceeded
from ..values import NANO_PER_USD, Reservation, Scope, Usage, from_nano, to_nano
from .allowance import Allowance, Bound, Limit
from .spending import Sums, key_of
from .tables import ledger, scoped, within

EXPIRES_S = 600.0
"""A reservation that is neither settled nor released by then is shown as unknown."""


@dataclass(slots=True, kw_only=True)
class Booking:
    """A change of the ledger, made once. Bookings of one `line` must follow each other.

    `reserves` is the reservation that it makes. `refused` tells afterwards why it was not made, if
    it was not. It may be tried again when the fate of a transaction is not known: what closes a
    reservation finds it closed, and what makes one looks for it first.
    """

    line: str | None
    change: Callable[[Connection, Sums], None]
    reserves: str | None = None
    refused: BudgetExceeded | None = None
    tried: bool = False

    def make(self, connection: Connection, sums: Sums) -> None:
        """Change the ledger, or be refused."""
        if self.tried and self.reserves is not None:
            terms = {"reservation": self.reserves}
            if connection.execute(_STANDS, terms).first() is not None:
                return
        self.tried, self.refused = True, None
        try:
            self.change(connection, sums)
        except BudgetExceeded as error:
            self.refused = error


class Books(Protocol):
    """Where bookings are made."""

    async def book(self, booking: Booking) -> None:
        """Make a booking; it stands in the ledger, or was refused, when this returns."""

    async def note(self, booking: Booking) -> None:
        """Make a booking that nobody waits for, within a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerMeter:
    """The `Meter` of a run: what is spent on `step`, for `agent`.

    `account` is the run whose money it is; None: its own.
    """

    books: Books
    clock: Callable[[], datetime]
    scope: Scope
    run_id: str
    allowance: Allowance
    step: str = ""
    agent: str | None = None
    account: str | None = None

    async def reserve(self, amount_usd: Decimal | None, *, model: str) -> Reservation:
        """Set money aside, see `values.Meter`."""
        reservation, booking = self.reserving(amount_usd, model)
        await self.books.book(booking)
        if booking.refused is not None:
            raise booking.refused
        return reservation

    async def settle(self, reservation: Reservation, usage: Usage) -> None:
        """Write down what the call cost; the first word on a reservation stands."""
        await self.books.note(settling(self.scope, reservation, usage))

    async def release(self, reservation: Reservation) -> None:
        """Give the money back; the first word on a reservation stands."""
        await self.books.note(releasing(self.scope, reservation))

    def reserving(self, amount_usd: Decimal | None, model: str) -> tuple[Reservation, Booking]:
        """Return a reservation, and the booking that makes it hold.

        Raises:
            BudgetExceeded: the price is unknown, and there is a limit.
        """
        limits = tuple(
            self.allowance.limits(session=self.scope.session, agent=self.agent, model=model)
        )
        if amount_usd is None and limits and not self.allowance.allow_unpriced:
            raise BudgetExceeded(
                f"The price of model {model!r} is unknown, and {limits[0].of} money is limited to "
                f"{limits[0].amount_usd:f} USD. Set its price (input_per_million, "
                "output_per_million) in callboard.toml, or set limits.allow_unpriced = true."
            )
        reservation = Reservation(id=uuid4().hex, amount_usd=amount_usd)
        amount = None if amount_usd is None else to_nano(amount_usd)
        now = self.clock()
        row = {
            **scoped(self.scope),
            "id": reservation.id,
            "run_id": self.run_id,
            "model": model,
            "step": self.step,
            "agent": self.agent,
            "account": self.account,
            "reserved_nano": amount,
            "status": "reserved",
            "created_at": now,
            "expires_at": now + timedelta(seconds=EXPIRES_S),
        }
        key = key_of(self.scope, now, self.agent, model)
        whose = self.account or self.run_id
        runs: dict[Bound, str] = {"run": self.run_id, "account": whose}

        def change(connection: Connection, sums: Sums) -> None:
            if amount is not None:
                for limit in limits:
                    run = runs.get(limit.on)
                    used = (
                        sums.counted(limit, key)
                        if run is None
                        else total(connection, drawn_on(self.scope, run))
                    )
                    _check(limit, amount, used, model)
            connection.execute(_RESERVED, row)
            if amount:
                sums.add(key, amount)

        # Limits that several runs share need one line for all of them.
        alone = all(limit.on in runs for limit in limits)
        line = f"ledger {self.scope.tenant}" + (f" {whose}" if alone else "")
        return reservation, Booking(line=line, change=change, reserves=reservation.id)


def settling(scope: Scope, reservation: Reservation, usage: Usage) -> Booking:
    """Return the booking of what a call cost; None: nobody knows, and the bound stays counted."""
    cost = None if usage.cost_usd is None else to_nano(usage.cost_usd)
    return _closing(
        scope,
        reservation,
        status="unknown" if cost is None else "settled",
        settled_nano=cost,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
    )


def releasing(scope: Scope, reservation: Reservation) -> Booking:
    """Return the booking that gives the money back."""
    return _closing(scope, reservation, status="released")


def total(connection: Connection, chosen: ColumnElement[bool]) -> int:
    """Add up what counts against a limit, in nano-USD."""
    counts = case(
        (ledger.c.status == "settled", ledger.c.settled_nano),
        (ledger.c.status == "released", 0),
        else_=func.coalesce(ledger.c.reserved_nano, 0),
    )
    return int(connection.execute(select(func.sum(counts)).where(chosen)).scalar() or 0)


def of_run(scope: Scope, run_id: str) -> ColumnElement[bool]:
    """Hold for the calls of a run."""
    return and_(within(ledger.c, scope), ledger.c.run_id == run_id)


def drawn_on(scope: Scope, run_id: str) -> ColumnElement[bool]:
    """Hold for the calls that a run pays for: its own, and those of runs that its agents began.

    An agent may ask for another user.
    """
    columns = ledger.c
    return and_(
        columns.tenant == scope.tenant, or_(columns.run_id == run_id, columns.account == run_id)
    )


def _closing(
    scope: Scope,
    reservation: Reservation,
    *,
    status: str,
    settled_nano: int | None = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
) -> Booking:
    values = {
        "of_tenant": scope.tenant,
        "of_user": scope.user,
        "reservation": reservation.id,
        "status": status,
        "settled_nano": settled_nano,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
    }

    def change(connection: Connection, sums: Sums) -> None:
        row = connection.execute(_CLOSED, values).one_or_none()
        if row is None or status == "unknown":
            return
        more = (settled_nano or 0) - (row.reserved_nano or 0)
        if more:
            whose = Scope(tenant=scope.tenant, user=row.user_id, session=row.session)
            sums.add(key_of(whose, row.created_at, row.agent, row.model), more)

    return Booking(line=None, change=change)


def _check(limit: Limit, amount: int, used: int, model: str) -> None:
    left = int(limit.amount_usd * NANO_PER_USD) - used
    if amount > left:
        raise BudgetExceeded(
            f"A call to model {model!r} may cost up to {from_nano(amount):f} USD; "
            f"{from_nano(max(left, 0)):f} of {limit.of} {limit.amount_usd:f} USD are left. "
            f"{limit.fix}"
        )


def _close() -> Update:
    columns = ledger.c
    return (
        update(ledger)
        .where(
            columns.tenant == bindparam("of_tenant"),
            columns.user_id == bindparam("of_user"),
            columns.id == bindparam("reservation"),
            columns.status == "reserved",
        )
        .values(
            {
                name: bindparam(name)
                for name in ("status", "settled_nano", "input_tokens", "output_tokens")
            }
        )
        .returning(
            columns.reserved_nano,
            columns.created_at,
            columns.user_id,
            columns.session,
            columns.agent,
            columns.model,
        )
    )


# Built once: building a statement takes longer than SQLite takes to run it.
_RESERVED = insert(ledger)
_STANDS = select(ledger.c.id).where(ledger.c.id == bindparam("reservation"))
_CLOSED: Any = _close()
