"""Connections that are lost: before a commit, and in the middle of one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from relay import Relay

from callboard.errors import StoreError
from callboard.store.allowance import Allowance
from callboard.store.booking import Booking, LedgerMeter, settling
from callboard.store.claims import Claim
from callboard.store.engine import Store
from callboard.store.runs import RunEnd
from callboard.values import AnswerDelta, Done, Scope, Usage

LIMITED = Allowance(run_usd=Decimal(10), user_daily_usd=Decimal(10))


@pytest.fixture
def relay(postgres: Any) -> Iterator[Relay]:
    with Relay(postgres.new_database()) as relay:
        yield relay


@pytest.fixture
def store(relay: Relay) -> Iterator[Store]:
    store = Store.open(relay.url, patience_s=10.0)
    yield store
    store.close()


def begin(store: Store, scope: Scope, run_id: str = "r1") -> Claim:
    return store.runs.create(scope, run_id, "Why?", options={}, owner="me", lease_s=30)


def meter(store: Store, scope: Scope, agent: str = "a") -> LedgerMeter:
    return store.ledger.meter(scope, "r1", allowance=LIMITED, agent=agent)


async def test_a_connection_that_was_lost_is_made_again(
    store: Store, relay: Relay, scope: Scope
) -> None:
    begin(store, scope)
    relay.cut()
    run = await store.call(store.runs.get, scope, "r1")
    assert run.id == "r1"
    assert store.reached_s == math.inf  # nobody noticed


def test_a_lost_connection_is_told_as_one_that_may_come_back(
    store: Store, relay: Relay, scope: Scope
) -> None:
    relay.lose_commits = 1
    with pytest.raises(StoreError, match="can't be reached") as caught:
        begin(store, scope)
    assert caught.value.transient


async def test_patience_ends(relay: Relay, scope: Scope) -> None:
    store = Store.open(relay.url, patience_s=0.3)
    relay.__exit__(None, None, None)
    with pytest.raises(StoreError, match="can't be reached"):
        await store.call(store.runs.list, scope)
    store.close()


async def test_what_is_wrong_for_good_is_not_tried_again(store: Store, scope: Scope) -> None:
    claim = begin(store, scope)
    store.runs.record(claim, end=RunEnd(status="done"))
    tries = 0

    def record() -> None:
        nonlocal tries
        tries += 1
        store.runs.record(claim)

    with pytest.raises(StoreError, match="has ended") as caught:
        await store.call(record)
    assert (tries, caught.value.transient) == (1, False)


async def test_a_run_whose_acceptance_was_not_heard_of_is_accepted_once(
    store: Store, relay: Relay, scope: Scope
) -> None:
    relay.lose_commits = 1
    claim = await store.call(begin, store, scope)
    assert relay.lose_commits == 0
    assert store.reached_s < 60
    store.runs.record(claim, events=[AnswerDelta(text="a")])
    relay.lose_commits = 1
    await store.call(store.runs.enqueue, scope, "r2", "Why?", options={}, most=1)
    assert [run.id for run in store.runs.list(scope)] == ["r2", "r1"]


async def test_a_record_whose_commit_was_not_heard_of_is_made_once(
    store: Store, relay: Relay, step: Callable[..., Any], scope: Scope
) -> None:
    claim = begin(store, scope)
    reservation, reserving = meter(store, scope).reserving(Decimal(1), "main")
    relay.lose_commits = 1
    last = await store.call(
        store.runs.record,
        claim,
        steps=[step("a", status="done")],
        events=[AnswerDelta(text="x"), AnswerDelta(text="y")],
        bookings=[reserving],
        after=0,
    )
    assert (last, relay.lose_commits, reserving.refused) == (2, 0, None)
    relay.lose_commits = 1
    end = RunEnd(status="done", answer="xy")
    settle = settling(scope, reservation, Usage(cost_usd=Decimal("0.5")))
    last = await store.call(
        store.runs.record,
        claim,
        events=[Done(status="done", answer="xy")],
        end=end,
        bookings=[settle],
        after=last,
    )
    assert (last, relay.lose_commits) == (3, 0)
    assert [event.seq for event in store.events.after(scope, "r1", 0)] == [1, 2, 3]
    (line,) = store.ledger.entries(scope, "r1")
    assert (line.status, line.settled_usd) == ("settled", Decimal("0.5"))


async def test_money_whose_reservation_was_not_heard_of_is_set_aside_once(
    store: Store, relay: Relay, scope: Scope
) -> None:
    begin(store, scope)
    relay.lose_commits = 1
    reservation = await meter(store, scope).reserve(Decimal(6), model="main")
    assert relay.lose_commits == 0
    relay.lose_commits = 1
    await meter(store, scope).settle(reservation, Usage(cost_usd=Decimal(5)))
    assert relay.lose_commits == 0
    (line,) = store.ledger.entries(scope, "r1")
    assert (line.id, line.settled_usd) == (reservation.id, Decimal(5))
    await meter(store, scope).reserve(Decimal(5), model="main")  # 10 less 5, and not less 6 or 12


def test_runs_that_spend_for_the_same_agents_do_not_lock_each_other_out(
    postgres: Any, scope: Scope
) -> None:
    store = Store.open(postgres.new_database())
    claims = [begin(store, scope, f"r{number}") for number in range(8)]
    agents = ["a", "b", "c", "d"]

    def bookings(number: int) -> list[Booking]:
        order = agents if number % 2 else agents[::-1]
        return [
            store.ledger.meter(scope, f"r{number}", allowance=Allowance(), agent=agent).reserving(
                Decimal(1), "main"
            )[1]
            for agent in order
        ]

    def record(number: int) -> None:
        for _ in range(15):
            store.runs.record(claims[number], bookings=bookings(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(record, range(8)))
    assert sum(len(store.ledger.entries(scope, f"r{n}")) for n in range(8)) == 8 * 15 * 4
    store.close()
