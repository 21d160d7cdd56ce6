from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from callboard.errors import BudgetExceeded
from callboard.store.allowance import Allowance
from callboard.store.engine import Store
from callboard.values import UNKNOWN_USAGE, Scope, Usage

LIMIT = Decimal("0.01")


@pytest.fixture
def meter(store: Store, scope):
    return store.ledger.meter(scope, "r1", allowance=Allowance(run_usd=LIMIT))


def statuses(store: Store, scope: Scope) -> list[str]:
    return [entry.status for entry in store.ledger.entries(scope, "r1")]


async def test_what_is_set_aside_is_not_there_for_others(meter) -> None:
    await meter.reserve(Decimal("0.006"), model="main")
    with pytest.raises(BudgetExceeded, match=r"'main' may cost up to 0\.005 USD; 0\.004 of the"):
        await meter.reserve(Decimal("0.005"), model="main")
    await meter.reserve(Decimal("0.004"), model="main")


async def test_settling_counts_what_it_really_cost(meter, store: Store, scope) -> None:
    reservation = await meter.reserve(Decimal("0.01"), model="main")
    assert store.ledger.spent(scope, "r1") == 0
    await meter.settle(reservation, Usage(cost_usd=Decimal("0.0025")))
    assert store.ledger.spent(scope, "r1") == Decimal("0.0025")
    await meter.reserve(Decimal("0.0075"), model="main")


async def test_released_money_can_be_used_again(meter, store: Store, scope, clock) -> None:
    reservation = await meter.reserve(Decimal("0.01"), model="main")
    await meter.release(reservation)
    clock.forward(1)
    await meter.reserve(Decimal("0.01"), model="main")
    assert statuses(store, scope) == ["released", "reserved"]


async def test_an_unknown_cost_counts_with_its_bound(meter, store: Store, scope) -> None:
    reservation = await meter.reserve(Decimal("0.006"), model="main")
    await meter.settle(reservation, UNKNOWN_USAGE)
    (entry,) = store.ledger.entries(scope, "r1")
    assert (entry.status, entry.settled_usd) == ("unknown", None)
    assert store.ledger.spent(scope, "r1") == Decimal("0.006")
    with pytest.raises(BudgetExceeded):
        await meter.reserve(Decimal("0.005"), model="main")


async def test_a_lost_call_stays_counted_and_is_shown_as_unknown(
    meter, store: Store, scope, clock
) -> None:
    reservation = await meter.reserve(Decimal("0.006"), model="main")
    clock.forward(601)
    assert statuses(store, scope) == ["unknown"]
    assert store.ledger.spent(scope, "r1") == Decimal("0.006")
    with pytest.raises(BudgetExceeded):
        await meter.reserve(Decimal("0.005"), model="main")
    await meter.settle(reservation, Usage(cost_usd=Decimal("0.001")))
    assert statuses(store, scope) == ["settled"]
    assert store.ledger.spent(scope, "r1") == Decimal("0.001")


async def test_the_first_word_on_a_reservation_stands(meter, store: Store, scope) -> None:
    reservation = await meter.reserve(Decimal("0.006"), model="main")
    await meter.settle(reservation, Usage(cost_usd=Decimal("0.002")))
    await meter.release(reservation)
    await meter.settle(reservation, Usage(cost_usd=Decimal("0.009")))
    assert store.ledger.spent(scope, "r1") == Decimal("0.002")


async def test_an_unknown_price_is_refused_under_a_limit(meter, store: Store, scope) -> None:
    with pytest.raises(BudgetExceeded, match=r"'gpt'.*input_per_million.*allow_unpriced"):
        await meter.reserve(None, model="gpt")
    allowing = store.ledger.meter(
        scope, "r1", allowance=Allowance(run_usd=LIMIT, allow_unpriced=True)
    )
    reservation = await allowing.reserve(None, model="gpt")
    assert reservation.amount_usd is None
    await allowing.settle(reservation, Usage(cost_usd=Decimal("0.003")))
    assert store.ledger.spent(scope, "r1") == Decimal("0.003")


async def test_without_a_limit_everything_is_allowed_and_recorded(store: Store, scope) -> None:
    free = store.ledger.meter(scope, "r1", allowance=Allowance())
    await free.reserve(Decimal(1000), model="main")
    await free.reserve(None, model="main")
    assert len(store.ledger.entries(scope, "r1")) == 2


async def test_every_run_has_its_own_limit(meter, store: Store, scope) -> None:
    await meter.reserve(LIMIT, model="main")
    other = store.ledger.meter(scope, "r2", allowance=Allowance(run_usd=LIMIT))
    await other.reserve(LIMIT, model="main")


async def test_parts_of_a_nano_usd_never_overrun_the_limit(store: Store, scope) -> None:
    tiny = store.ledger.meter(scope, "r1", allowance=Allowance(run_usd=Decimal("0.0000000019")))
    await tiny.reserve(Decimal("0.0000000005"), model="main")
    with pytest.raises(BudgetExceeded):
        await tiny.reserve(Decimal("0.0000000005"), model="main")


def test_fifty_threads_never_overrun_the_limit(store: Store, scope) -> None:
    meter = store.ledger.meter(scope, "r1", allowance=Allowance(run_usd=LIMIT))

    def reserve(_: int) -> bool:
        _, booking = meter.reserving(Decimal("0.0007"), "main")
        store.ledger.book(booking)
        return booking.refused is None

    with ThreadPoolExecutor(50) as pool:
        allowed = sum(pool.map(reserve, range(50)))
    assert allowed == 14
    assert len(store.ledger.entries(scope, "r1")) == 14


def test_processes_share_one_limit(store: Store, url: str, scope) -> None:
    script = """
import sys
from decimal import Decimal
from callboard.store.allowance import Allowance
from callboard.store.engine import Store
from callboard.values import Scope
store, allowed = Store.open(sys.argv[1]), 0
meter = store.ledger.meter(
    Scope(tenant="acme", user="ann", session="s1"),
    "r1",
    allowance=Allowance(run_usd=Decimal("0.01")),
)
for _ in range(20):
    _, booking = meter.reserving(Decimal("0.0007"), "main")
    store.ledger.book(booking)
    allowed += booking.refused is None
print(allowed)
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", script, url], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    allowed = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(allowed) == 14
