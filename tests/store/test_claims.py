from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from callboard.errors import StoreError
from callboard.store.engine import Store
from callboard.store.runs import RunEnd
from callboard.values import AnswerDelta, Scope


def test_a_lease_that_holds_is_not_taken(store: Store, begin, clock) -> None:
    begin()
    clock.forward(29)
    assert store.runs.claim_expired("you", 30) == ()


def test_an_expired_run_is_taken_over_and_its_old_owner_refused(
    store: Store, begin, step, clock, scope
) -> None:
    old = begin()
    first = step("a", status="done")
    store.runs.record(old, steps=[first], events=[AnswerDelta(text="a")])
    clock.forward(31)
    (taken,) = store.runs.claim_expired("you", 30)
    new = taken.claim
    assert (new.scope, new.run_id, new.owner, new.fence) == (scope, "r1", "you", 2)
    with pytest.raises(StoreError, match=r"'r1' was taken over from 'me' by 'you'"):
        store.runs.record(old, steps=[step("a", status="failed")], events=[AnswerDelta(text="b")])
    assert store.runs.steps(scope, "r1") == (first,)
    assert store.runs.record(new, events=[AnswerDelta(text="c")]) == 2
    assert store.runs.claim_expired("third", 30) == ()


def test_a_run_that_comes_back_to_its_first_owner_has_a_new_fence(
    store: Store, begin, clock
) -> None:
    first = begin()
    clock.forward(31)
    store.runs.claim_expired("you", 30)
    clock.forward(31)
    (again,) = store.runs.claim_expired("me", 30)
    assert again.claim.fence == 3
    with pytest.raises(StoreError, match="taken over"):
        store.runs.record(first)


def test_an_owner_takes_back_what_it_dropped_and_not_what_it_carries(
    store: Store, begin, clock
) -> None:
    begin("carried")
    begin("dropped")
    clock.forward(31)
    (taken,) = store.runs.claim_expired("me", 30, carried=("carried",))
    assert (taken.claim.run_id, taken.claim.owner, taken.claim.fence) == ("dropped", "me", 2)


def test_a_heartbeat_keeps_what_was_not_lost(store: Store, begin, clock) -> None:
    begin("r1")
    begin("r2")
    clock.forward(31)
    assert len(store.runs.claim_expired("you", 30, limit=1)) == 1
    assert store.runs.heartbeat("me", 30, ("r1", "r2")) == 1
    clock.forward(29)
    assert store.runs.claim_expired("third", 30) == ()


def test_a_heartbeat_keeps_only_what_is_carried(store: Store, begin, clock) -> None:
    begin("carried")
    begin("dropped")
    clock.forward(20)
    assert store.runs.heartbeat("me", 30, ("carried",)) == 1
    clock.forward(11)
    (taken,) = store.runs.claim_expired("you", 30)
    assert taken.claim.run_id == "dropped"


def test_released_runs_can_be_taken_at_once(store: Store, begin, clock) -> None:
    begin()
    assert store.runs.release("me") == 1
    clock.forward(0.001)
    assert len(store.runs.claim_expired("you", 30)) == 1


def test_ended_runs_are_nobodys(store: Store, begin, clock) -> None:
    store.runs.record(begin(), end=RunEnd(status="done"))
    assert store.runs.heartbeat("me", 30, ("r1",)) == 0
    clock.forward(31)
    assert store.runs.claim_expired("you", 30) == ()


def test_no_run_is_taken_twice(store: Store, begin, clock) -> None:
    for number in range(20):
        begin(f"r{number:02}")
    clock.forward(31)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda n: store.runs.claim_expired(f"o{n}", 30, limit=4), range(8)))
    ids = [one.claim.run_id for some in taken for one in some]
    assert sorted(ids) == [f"r{number:02}" for number in range(20)]


def test_a_request_to_cancel_reaches_the_owner(store: Store, begin, scope) -> None:
    claim = begin()
    begin("r2")
    assert store.runs.cancelled(("r1", "r2")) == frozenset()
    assert store.runs.request_cancel(scope, "r1")
    assert store.runs.cancelled(("r1", "r2")) == {"r1"}
    store.runs.record(claim, end=RunEnd(status="cancelled"))
    assert not store.runs.request_cancel(scope, "r1")


def test_processes_that_die_over_a_run_are_counted_until_it_gets_on(
    store: Store, begin, step, clock
) -> None:
    begin()
    for losses in (1, 2):
        clock.forward(31)
        (taken,) = store.runs.claim_expired(f"o{losses}", 30)
        assert taken.losses == losses
    store.runs.record(taken.claim, steps=[step("a")])
    clock.forward(31)
    (taken,) = store.runs.claim_expired("o3", 30)
    assert taken.losses == 3
    store.runs.record(taken.claim, steps=[step("a", status="done")])
    clock.forward(31)
    (taken,) = store.runs.claim_expired("o4", 30)
    assert taken.losses == 1


def test_an_owner_that_lives_after_all_is_no_loss(store: Store, begin, clock) -> None:
    slow = begin()
    assert not store.runs.outlive(slow)
    clock.forward(31)
    (taken,) = store.runs.claim_expired("you", 30)
    assert taken.losses == 1
    assert store.runs.outlive(slow)
    clock.forward(31)
    (taken,) = store.runs.claim_expired("third", 30)
    assert taken.losses == 1


def test_a_run_that_was_let_go_has_lost_nobody(store: Store, begin, clock) -> None:
    begin()
    store.runs.release("me")
    clock.forward(0.001)
    (taken,) = store.runs.claim_expired("you", 30)
    assert (taken.losses, taken.claim.fence) == (0, 2)


def test_leases_are_by_the_clock_of_the_server(postgres) -> None:
    url = postgres.new_database()
    ahead = Store.open(url)  # no clock of its own: that of the server
    ahead.runs.create(Scope(), "r1", "q", options={}, owner="me", lease_s=0.2)
    assert ahead.runs.claim_expired("you", 30) == ()
    time.sleep(0.3)
    assert ahead.runs.heartbeat("me", 0.2, ("r1",)) == 1
    assert ahead.runs.claim_expired("you", 30) == ()
    time.sleep(0.3)
    (taken,) = ahead.runs.claim_expired("you", 30)
    assert taken.claim.fence == 2
    ahead.close()
