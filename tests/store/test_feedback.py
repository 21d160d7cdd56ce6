from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.errors import UnknownName
from callboard.store.engine import Store
from callboard.values import Scope


@pytest.fixture(autouse=True)
def _run(begin: Callable[..., object]) -> None:
    begin("r1", query="Why was I charged twice?")


def standing(store: Store, scope: Scope) -> dict[str, float]:
    """Return what counts of each agent."""
    votes = store.feedback.since(scope, 0)
    return {vote.agent: vote.score for vote in votes if vote.undone_at is None}


def test_feedback_is_kept_with_the_words_of_the_query(store: Store, clock, scope: Scope) -> None:
    kept = store.feedback.put(scope, "r1", ["billing", "poet"], -0.5, comment="Wrong \x00 ones")
    assert (kept.run_id, kept.user, kept.query) == ("r1", "ann", "Why was I charged twice?")
    assert (kept.agents, kept.standing) == (("billing", "poet"), ("billing", "poet"))
    assert (kept.score, kept.comment, kept.created_at) == (-0.5, "Wrong \ufffd ones", clock())
    assert store.feedback.list(scope) == (kept,)
    assert store.feedback.list(scope, run_id="r1") == (kept,)
    assert store.feedback.list(scope, run_id="r2") == ()


def test_a_later_word_on_the_same_agent_takes_the_place_of_the_earlier(
    store: Store, clock, scope: Scope
) -> None:
    first = store.feedback.put(scope, "r1", ["billing", "poet"], 1.0)
    clock.forward(60)
    second = store.feedback.put(scope, "r1", ["poet"], -1.0)
    newest, oldest = store.feedback.list(scope)
    assert newest == second
    assert oldest == replace(first, standing=("billing",))
    assert standing(store, scope) == {"billing": 1.0, "poet": -1.0}


def test_users_do_not_replace_each_others_word(store: Store, scope: Scope, begin) -> None:
    bob = replace(scope, user="bob")
    begin("r2", scope=bob)
    store.feedback.put(scope, "r1", ["billing"], 1.0)
    store.feedback.put(bob, "r2", ["billing"], -1.0)
    assert [one.score for one in store.feedback.list(scope)] == [1.0]
    assert [(vote.user, vote.score) for vote in store.feedback.since(scope, 0)] == [
        ("ann", 1.0),
        ("bob", -1.0),
    ]


def test_what_is_undone_counts_no_more_and_is_kept(store: Store, clock, scope: Scope) -> None:
    kept = store.feedback.put(scope, "r1", ["billing", "poet"], 1.0)
    clock.forward(60)
    undone = store.feedback.undo(scope, kept.id)
    assert undone == replace(kept, standing=())
    assert store.feedback.list(scope) == ()
    assert store.feedback.list(scope, undone=True) == (undone,)
    assert {vote.undone_at for vote in store.feedback.since(scope, 0)} == {clock()}
    clock.forward(60)
    version = store.feedback.version(scope)
    assert store.feedback.undo(scope, kept.id) == undone
    assert store.feedback.version(scope) == version


def test_undoing_does_not_bring_back_what_was_replaced(store: Store, clock, scope: Scope) -> None:
    store.feedback.put(scope, "r1", ["billing"], 1.0)
    second = store.feedback.put(scope, "r1", ["billing"], -1.0)
    store.feedback.undo(scope, second.id)
    assert store.feedback.list(scope) == ()


def test_what_does_not_exist_is_named_with_the_fix(store: Store, scope: Scope) -> None:
    kept = store.feedback.put(scope, "r1", ["billing"], 1.0)
    with pytest.raises(UnknownName, match=r"no run 'r2'.*runs list"):
        store.feedback.put(scope, "r2", ["billing"], 1.0)
    with pytest.raises(UnknownName, match=r"no feedback 'f'.*feedback list"):
        store.feedback.undo(scope, "f")
    for other in (replace(scope, user="bob"), replace(scope, tenant="other")):
        with pytest.raises(UnknownName):
            store.feedback.put(other, "r1", ["billing"], 1.0)
        with pytest.raises(UnknownName):
            store.feedback.undo(other, kept.id)
    assert store.feedback.list(scope) == (kept,)


def test_a_reader_learns_what_came_and_went_since_it_last_read(
    store: Store, url: str, scope: Scope
) -> None:
    other = Store.open(url)
    assert (other.feedback.version(scope), other.feedback.since(scope, 0)) == (0, ())
    kept = store.feedback.put(scope, "r1", ["billing", "poet"], 1.0)
    first, second = other.feedback.since(scope, 0)
    assert (first.agent, second.agent, first.undone_at) == ("billing", "poet", None)
    assert first.seq == second.seq == other.feedback.version(scope)
    assert other.feedback.since(scope, first.seq) == ()
    store.feedback.undo(scope, kept.id)
    gone = other.feedback.since(scope, first.seq)
    assert [(vote.agent, vote.undone_at is None) for vote in gone] == [
        ("billing", False),
        ("poet", False),
    ]
    assert other.feedback.version(Scope(tenant="other")) == 0
    other.close()


def test_the_newest_feedback_comes_first_and_no_more_than_asked_for(
    store: Store, clock, scope: Scope
) -> None:
    for number in range(5):
        store.feedback.put(scope, "r1", [f"agent{number}"], 1.0)
        clock.forward(1)
    found = store.feedback.list(scope, limit=2)
    assert [one.agents for one in found] == [("agent4",), ("agent3",)]


def test_many_who_speak_at_once_are_all_heard(store: Store, url: str, scope: Scope) -> None:
    other = Store.open(url)

    def say(number: int) -> None:
        (store, other)[number % 2].feedback.put(scope, "r1", ["billing"], number / 40)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(say, range(40)))
    assert store.feedback.version(scope) == 40
    assert len(store.feedback.list(scope)) == 1
    assert len(store.feedback.list(scope, undone=True)) == 40
    other.close()


AGENTS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, unique=True)


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(st.one_of(AGENTS, st.integers(0, 9)), max_size=12),
    reads=st.sets(st.integers(0, 11)),
)
def test_who_reads_now_and_then_knows_what_stands(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[list[str] | int],
    reads: set[int],
) -> None:
    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('feedback')}/test.db")
    scope = Scope()
    store.runs.create(scope, "r1", "Why?", options={}, owner="me", lease_s=30)
    seen, known, ids = 0, {}, []
    for number, step in enumerate([*steps, 99]):
        if isinstance(step, list):
            ids.append(store.feedback.put(scope, "r1", step, number / 20).id)
        elif ids:
            store.feedback.undo(scope, ids[step % len(ids)])
        if number in reads or number == len(steps):
            for vote in store.feedback.since(scope, seen):
                known[vote.feedback_id, vote.agent] = vote
                seen = vote.seq
    assert seen == store.feedback.version(scope)
    stands = {key for key, vote in known.items() if vote.undone_at is None}
    listed = store.feedback.list(scope)
    assert stands == {(one.id, agent) for one in listed for agent in one.standing}
    store.close()
