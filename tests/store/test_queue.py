from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from callboard.errors import Busy, InvalidInput, StoreError
from callboard.records import RunFilter
from callboard.store.claims import NOBODY
from callboard.store.engine import Store
from callboard.values import Scope


@pytest.fixture
def wait(store: Store, clock):
    """Return a function that lets a run wait."""

    def wait(run_id: str, tenant: str = "acme", user: str = "ann", most: int = 100) -> None:
        clock.forward(1)
        scope = Scope(tenant=tenant, user=user)
        store.runs.enqueue(scope, run_id, "Why?", options={"query": "Why?"}, most=most)

    return wait


def taken(store: Store, limit: int = 1, **terms) -> list[str]:
    claimed = store.runs.claim_queued("me", 30, limit=limit, **terms)
    return [one.claim.run_id for one in claimed]


def test_a_run_that_waits_is_nobodys_until_it_is_taken(store: Store, wait, clock) -> None:
    assert store.runs.waiting() == (False, False)
    wait("r1")
    scope = Scope(tenant="acme", user="ann")
    assert store.runs.get(scope, "r1").status == "queued"
    assert store.runs.waiting() == (True, False)
    clock.forward(1000)
    assert store.runs.claim_expired("you", 30) == ()
    (one,) = store.runs.claim_queued("me", 30, limit=5)
    assert (one.claim.owner, one.claim.fence) == ("me", 1)
    assert (one.options, one.last_seq, one.losses) == ({"query": "Why?"}, 0, 0)
    assert store.runs.get(scope, "r1").status == "running"
    (row,) = store.summaries.page(scope, RunFilter(), everyone=False, limit=9, offset=0).runs
    assert row.status == "running"
    assert store.runs.waiting() == (False, False)


def test_who_died_is_seen(store: Store, begin, clock) -> None:
    begin()
    clock.forward(31)
    assert store.runs.waiting() == (False, True)


def test_the_oldest_is_next(store: Store, wait) -> None:
    for run_id in ("r3", "r1", "r2"):
        wait(run_id)
    assert taken(store, 2) == ["r3", "r1"]
    assert taken(store, 2) == ["r2"]


def test_one_who_asks_for_much_does_not_keep_others_waiting(store: Store, wait) -> None:
    for number in range(5):
        wait(f"much{number}", user="bob")
    wait("little", user="cid")
    wait("other", tenant="other")
    assert taken(store, 4) == ["much0", "other", "little", "much1"]


def test_what_a_user_has_running_counts_as_a_turn_of_theirs(store: Store, wait) -> None:
    for number in range(4):
        wait(f"much{number}", user="bob")
    assert taken(store, 2) == ["much0", "much1"]
    wait("little", user="cid")
    assert taken(store) == ["little"]


def test_only_those_that_are_named_are_taken(store: Store, wait) -> None:
    for run_id in ("r1", "r2", "r3"):
        wait(run_id)
    assert taken(store, 9, only=("r3", "r2")) == ["r2", "r3"]


def test_no_run_is_taken_twice(store: Store, wait) -> None:
    for number in range(20):
        wait(f"r{number:02}", user=f"u{number % 3}")
    with ThreadPoolExecutor(8) as pool:
        some = list(pool.map(lambda _: taken(store, 4), range(8)))
    ids = [run_id for ids in some for run_id in ids] + taken(store, 20)
    assert sorted(ids) == [f"r{number:02}" for number in range(20)]


def test_beyond_the_most_that_may_wait_a_query_is_refused(store: Store, wait) -> None:
    wait("r1", most=2)
    wait("r2", most=2)
    with pytest.raises(Busy, match=r"2 queries wait .*\[limits\] queue"):
        wait("r3", most=2)
    assert [run.id for run in store.runs.list(Scope(tenant="acme", user="ann"))] == ["r2", "r1"]
    taken(store)
    wait("r3", most=2)


def test_the_id_of_another_run_is_refused(store: Store, wait) -> None:
    wait("r1")
    wait("r1")  # the very same one is there already
    with pytest.raises(InvalidInput, match="'r1' is taken"):
        wait("r1", user="bob")


def test_nobody_may_write_to_a_run_that_waits(store: Store, wait, begin, clock) -> None:
    old = begin("r1")
    store.runs.release("me")
    with pytest.raises(StoreError, match="let go"):
        store.runs.record(old)
    clock.forward(0.001)
    (one,) = store.runs.claim_expired("you", 30)
    assert (one.claim.owner, one.losses) == ("you", 0)
    assert NOBODY not in (old.owner, one.claim.owner)
