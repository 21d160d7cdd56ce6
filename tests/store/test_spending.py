"""Limits that runs share, and the sums that they are read from."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from callboard.errors import BudgetExceeded
from callboard.store.allowance import Allowance
from callboard.store.booking import releasing, settling
from callboard.store.engine import Store
from callboard.values import UNKNOWN_USAGE, Reservation, Scope, Usage

CENT = Decimal("0.01")
BOB = Scope(tenant="acme", user="bob", session="s9")


def reserve(
    store: Store,
    scope: Scope,
    run: str,
    allowance: Allowance,
    *,
    model: str = "main",
    agent: str = "recipes",
    amount: Decimal = CENT,
) -> Reservation:
    meter = store.ledger.meter(scope, run, allowance=allowance, agent=agent)
    reservation, booking = meter.reserving(amount, model)
    store.ledger.book(booking)
    if booking.refused is not None:
        raise booking.refused
    return reservation


@pytest.mark.parametrize(
    ("allowance", "of", "other"),
    [
        (Allowance(session_usd=CENT), "the session's", {"scope": "s2"}),
        (Allowance(user_daily_usd=CENT), "the user's daily", {"scope": BOB}),
        (Allowance(agent_daily_usd=CENT), "the agent's daily", {"agent": "rhymes"}),
        (Allowance(model_daily_usd={"main": CENT}), "the model's daily", {"model": "small"}),
    ],
    ids=["session", "user", "agent", "model"],
)
def test_a_limit_holds_over_all_runs_and_not_for_others(allowance, of, other, store, scope, clock):
    reserve(store, scope, "r1", allowance)
    with pytest.raises(BudgetExceeded, match=rf"0 of {of} 0\.01 USD are left\. Raise"):
        reserve(store, scope, "r2", allowance)
    other = dict(other)
    beside = other.pop("scope", scope)
    if beside == "s2":
        beside = Scope(tenant=scope.tenant, user=scope.user, session="s2")
    reserve(store, beside, "r3", allowance, **other)
    clock.forward(24 * 3600)
    if of != "the session's":
        reserve(store, scope, "r4", allowance)


def test_the_limit_of_a_day_holds_for_all(store, scope):
    allowance = Allowance(daily_usd=2 * CENT)
    reserve(store, scope, "r1", allowance)
    reserve(store, BOB, "r2", allowance, model="small", agent="rhymes")
    with pytest.raises(BudgetExceeded, match=r"wait until tomorrow \(UTC\)"):
        reserve(store, scope, "r3", allowance)
    other = Scope(tenant="other", user="ann", session="s1")
    reserve(store, other, "r4", allowance)


def test_what_a_call_really_cost_is_what_counts(store, scope):
    allowance = Allowance(user_daily_usd=2 * CENT)
    first, second = (reserve(store, scope, "r1", allowance) for _ in range(2))
    store.ledger.book(settling(scope, first, Usage(cost_usd=Decimal("0.002"))))
    store.ledger.book(releasing(scope, second))
    third = reserve(store, scope, "r2", allowance)  # 0.002 and 0.01
    store.ledger.book(settling(scope, third, UNKNOWN_USAGE))
    with pytest.raises(BudgetExceeded, match=r"0\.008 of the user's daily"):
        reserve(store, scope, "r3", allowance)


def test_two_hundred_at_once_never_overrun_a_shared_limit(store, scope):
    allowance = Allowance(daily_usd=10 * CENT)

    def one(number: int) -> bool:
        try:
            reserve(store, scope, f"r{number}", allowance)
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(one, range(200))) == 10


class Spending(RuleBasedStateMachine):
    """Calls that are reserved, settled, released and lost in any order; no limit is overrun."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 11, 28, 12, tzinfo=UTC)
        self.store = Store.open("sqlite://", clock=lambda: self.now)
        self.counts: dict[str, dict[str, Decimal]] = {}

    def teardown(self) -> None:
        self.store.close()

    limits = Allowance(
        run_usd=Decimal("0.03"),
        session_usd=Decimal("0.05"),
        user_daily_usd=Decimal("0.06"),
        agent_daily_usd=Decimal("0.07"),
        model_daily_usd={"main": Decimal("0.08")},
        daily_usd=Decimal("0.1"),
    )

    @rule(
        target=held,
        user=st.sampled_from(["ann", "bob"]),
        session=st.sampled_from(["s1", "s2"]),
        run=st.sampled_from(["r1", "r2", "r3"]),
        agent=st.sampled_from([None, "recipes", "rhymes"]),
        model=st.sampled_from(["main", "small"]),
        nano=st.integers(0, 30_000_000),
    )
    def reserve(self, user, session, run, agent, model, nano):
        scope = Scope(tenant="acme", user=user, session=session)
        run = f"{user}-{session}-{run}"
        amount = Decimal(nano) / 1_000_000_000
        whose = {
            "day": self.now.date().isoformat(),
            "user": user,
            "session": f"{user}-{session}",
            "run": run,
            "agent": agent,
            "model": model,
        }
        fits = self._fits(whose, amount)
        try:
            reservation = reserve(
                self.store, scope, run, self.limits, model=model, agent=agent, amount=amount
            )
        except BudgetExceeded:
            assert not fits
            return None
        assert fits
        self.counts[reservation.id] = {**whose, "amount": amount}
        return scope, reservation

    @rule(held=consumes(held), share=st.integers(0, 100), known=st.booleans(), twice=st.booleans())
    def settle(self, held, share, known, twice):
        if held is None:
            return
        scope, reservation = held
        cost = (self.counts[reservation.id]["amount"] * share / 100).quantize(Decimal("1e-9"))
        usage = Usage(cost_usd=cost) if known else UNKNOWN_USAGE
        for _ in range(2 if twice else 1):
            self.store.ledger.book(settling(scope, reservation, usage))
        if known:
            self.counts[reservation.id]["amount"] = cost

    @rule(held=consumes(held))
    def release(self, held):
        if held is not None:
            self.store.ledger.book(releasing(*held))
            del self.counts[held[1].id]

    @rule(held=consumes(held))
    def crash(self, held):
        """Lose a call: its bound stays counted."""

    @rule()
    def wait(self):
        self.now += timedelta(hours=5)

    @invariant()
    def no_limit_is_overrun(self):
        sums = self._sums()
        for (kind, *_), amount in sums.items():
            limit = {
                "run": self.limits.run_usd,
                "session": self.limits.session_usd,
                "user": self.limits.user_daily_usd,
                "agent": self.limits.agent_daily_usd,
                "model": Decimal("0.08"),
                "day": self.limits.daily_usd,
            }[kind]
            assert amount <= limit

    def _sums(self):
        sums: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
        for one in self.counts.values():
            for key in self._keys(one):
                sums[key] += one["amount"]
        return sums

    def _fits(self, whose, amount):
        sums = self._sums()
        limits = {
            "run": Decimal("0.03"),
            "session": Decimal("0.05"),
            "user": Decimal("0.06"),
            "agent": Decimal("0.07"),
            "model": Decimal("0.08"),
            "day": Decimal("0.1"),
        }
        return all(sums[key] + amount <= limits[key[0]] for key in self._keys(whose))

    @staticmethod
    def _keys(one):
        yield "run", one["run"]
        yield "session", one["session"]
        yield "user", one["day"], one["user"]
        if one["agent"]:
            yield "agent", one["day"], one["agent"]
        if one["model"] == "main":
            yield "model", one["day"], "main"
        yield "day", one["day"]


TestSpending = Spending.TestCase
TestSpending.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
