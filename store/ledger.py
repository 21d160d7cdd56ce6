"""Money: what every call of a run was allowed to cost, and what it did cost.

A call sets an upper bound aside before it is made and is settled after. What counts against a
limit is the settled cost, and the bound of every call whose cost is not known: one that
goes on, one that was settled without a price, and one that nobody settled in time. The process of
the last has probably died, but the call may have been paid for; so it stays counted, and is shown
as `unknown`. Late news still settles it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeVar
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, insert, or_, select, update

from ..errors import BudgetExceeded
from ..records import Spend
from ..values import NANO_PER_USD, Meter, Reservation, Scope, Usage, from_nano, to_nano
from .allowance import Allowance, Limit
from .database import Database
from .spending import add, counted, key_of
from .tables import ledger, scoped, within

T = TypeVar("T")

EXPIRES_S = 600.0
"""A reservation that is neither settled nor released by then is shown as unknown."""


class Call(Protocol):
    """Runs a sync function off the event loop, as `Store.call` does."""

    def __call__(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> Awaitable[T]:
        """Return what `fn` returns."""


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
    """Reserves and settles money per run, safe among threads and processes."""

    def __init__(self, database: Database, clock: Callable[[], datetime], call: Call) -> None:
        self._database = database
        self._clock = clock
        self._call = call

    def meter(
        self,
        scope: Scope,
        run_id: str,
        *,
        allowance: Allowance,
        step: str = "",
        agent: str | None = None,
        call: Call | None = None,
    ) -> Meter:
        """Return the meter of a run. `call` runs its transactions; None: in the store's threads.

        `step` is what the money is spent on, and `agent` for whom.

        Without a limit everything is allowed and recorded. Under one, a call of unknown price is
        refused unless the allowance says otherwise, and then counts 0 until it is settled.
        """
        return _RunMeter(self, call or self._call, scope, run_id, allowance, step, agent)

    def reserve(
        self,
        scope: Scope,
        run_id: str,
        amount_usd: Decimal | None,
        *,
        model: str,
        allowance: Allowance,
        step: str = "",
        agent: str | None = None,
    ) -> Reservation:
        """Set money aside in one transaction.

        Raises:
            BudgetExceeded: less than that is left of a limit, or the price is unknown under one.
        """
        limits = tuple(allowance.limits(session=scope.session, agent=agent, model=model))
        if amount_usd is None and limits and not allowance.allow_unpriced:
            raise BudgetExceeded(
                f"The price of model {model!r} is unknown, and {limits[0].of} money is limited to "
                f"{limits[0].amount_usd:f} USD. Set its price (input_per_million, "
                "output_per_million) in callboard.toml, or set limits.allow_unpriced = true."
            )
        amount = None if amount_usd is None else to_nano(amount_usd)
        now = self._clock()
        row = {
            **scoped(scope),
            "id": uuid4().hex,
            "run_id": run_id,
            "model": model,
            "step": step,
            "agent": agent,
            "reserved_nano": amount,
            "status": "reserved",
            "created_at": now,
            "expires_at": now + timedelta(seconds=EXPIRES_S),
        }
        key = key_of(scope, now, agent, model)
        # Limits that several runs share need one line for all of them.
        alone = all(limit.on == "run" for limit in limits)
        line = f"ledger {scope.tenant} {run_id}" if alone else f"ledger {scope.tenant}"
        with self._database.writing(lock=line) as connection:
            if amount is not None:
                for limit in limits:
                    used = (
                        _total(connection, _of_run(scope, run_id))
                        if limit.on == "run"
                        else counted(connection, limit, key)
                    )
                    _check(limit, amount, used, model)
            connection.execute(insert(ledger), row)
            if amount:
                add(connection, key, amount)
        return Reservation(id=str(row["id"]), amount_usd=amount_usd)

    def settle(self, scope: Scope, reservation: Reservation, usage: Usage) -> None:
        """Write down what the call cost; the first word on a reservation stands."""
        cost = usage.cost_usd
        used = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
        if cost is None:
            self._close(scope, reservation, status="unknown", **used)
        else:
            self._close(scope, reservation, status="settled", settled_nano=to_nano(cost), **used)

    def release(self, scope: Scope, reservation: Reservation) -> None:
        """Give the money back; the first word on a reservation stands."""
        self._close(scope, reservation, status="released")

    def spent(self, scope: Scope, run_id: str) -> Decimal:
        """Return what the run has cost: settled, and the bounds of calls of unknown cost.

        Money that is set aside for calls still going on is not in it.
        """
        over = or_(ledger.c.status != "reserved", ledger.c.expires_at < self._clock())
        with self._database.reading() as connection:
            return from_nano(_total(connection, and_(_of_run(scope, run_id), over)))

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
            select(ledger).where(_of_run(scope, run_id)).order_by(ledger.c.created_at, ledger.c.id)
        )
        now = self._clock()
        with self._database.reading() as connection:
            return tuple(_entry(row, now) for row in connection.execute(query))

    def _close(self, scope: Scope, reservation: Reservation, **changes: Any) -> None:
        columns = ledger.c
        change = (
            update(ledger)
            .where(
                within(columns, scope),
                columns.id == reservation.id,
                columns.status == "reserved",
            )
            .values(changes)
            .returning(
                columns.reserved_nano,
                columns.created_at,
                columns.user_id,
                columns.session,
                columns.agent,
                columns.model,
            )
        )
        with self._database.writing() as connection:
            row = connection.execute(change).one_or_none()
            if row is None or changes["status"] == "unknown":
                return
            more = (changes.get("settled_nano") or 0) - (row.reserved_nano or 0)
            if more:
                whose = Scope(tenant=scope.tenant, user=row.user_id, session=row.session)
                add(connection, key_of(whose, row.created_at, row.agent, row.model), more)


class _RunMeter:
    """The `Meter` of one step of a run."""

    def __init__(
        self,
        ledger: Ledger,
        call: Call,
        scope: Scope,
        run_id: str,
        allowance: Allowance,
        step: str,
        agent: str | None,
    ) -> None:
        self._ledger = ledger
        self._call = call
        self._scope = scope
        self._run_id = run_id
        self._allowance = allowance
        self._step = step
        self._agent = agent

    async def reserve(self, amount_usd: Decimal | None, *, model: str) -> Reservation:
        return await self._call(
            self._ledger.reserve,
            self._scope,
            self._run_id,
            amount_usd,
            model=model,
            allowance=self._allowance,
            step=self._step,
            agent=self._agent,
        )

    async def settle(self, reservation: Reservation, usage: Usage) -> None:
        await self._call(self._ledger.settle, self._scope, reservation, usage)

    async def release(self, reservation: Reservation) -> None:
        await self._call(self._ledger.release, self._scope, reservation)


def _check(limit: Limit, amount: int, used: int, model: str) -> None:
    left = int(limit.amount_usd * NANO_PER_USD) - used
    if amount > left:
        raise BudgetExceeded(
            f"A call to model {model!r} may cost up to {from_nano(amount):f} USD; "
            f"{from_nano(max(left, 0)):f} of {limit.of} {limit.amount_usd:f} USD are left. "
            f"{limit.fix}"
        )


def _of_run(scope: Scope, run_id: str) -> ColumnElement[bool]:
    return and_(within(ledger.c, scope), ledger.c.run_id == run_id)


def _total(connection: Connection, chosen: ColumnElement[bool]) -> int:
    """Add up what counts, in nano-USD."""
    counted = case(
        (ledger.c.status == "settled", ledger.c.settled_nano),
        (ledger.c.status == "released", 0),
        else_=func.coalesce(ledger.c.reserved_nano, 0),
    )
    return int(connection.execute(select(func.sum(counted)).where(chosen)).scalar() or 0)


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
