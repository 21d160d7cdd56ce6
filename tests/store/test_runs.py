from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from callboard.errors import InvalidInput, StoreError, UnknownName
from callboard.store.engine import Store
from callboard.store.runs import RunEnd
from callboard.values import (
    UNKNOWN_USAGE,
    AnswerDelta,
    Candidate,
    Decided,
    Decision,
    Done,
    Draft,
    Exchange,
    Scope,
    StepEnded,
    StepStarted,
)

DECISION = Decision(
    agents=("billing", "calculator"),
    method="retrieval",
    reason="Both words stand in it.",
    confidence=0.9,
    in_scope=True,
    candidates=(Candidate(agent="billing", score=0.8, chosen=True, reason="near"),),
    tiers={"filter": "low"},
    budget_usd=Decimal("0.02"),
)


def test_a_run_comes_back_as_it_was_recorded(store: Store, begin, step, clock, scope) -> None:
    claim = begin(query="Why twice? \U0001f3ad")
    first = step("decide", name="decide", status="done", latency_s=0.25, output={"a": [1, None]})
    clock.forward(1)
    second = step("act/billing", agent="billing", status="failed", error="No.", usage=UNKNOWN_USAGE)
    store.runs.record(claim, steps=[second, first], decision=DECISION)
    clock.forward(2)
    store.runs.record(claim, end=RunEnd(status="done", answer="Because."))
    run = store.runs.get(scope, "r1")
    assert (run.query, run.status, run.answer) == ("Why twice? \U0001f3ad", "done", "Because.")
    assert (run.scope, run.decision, run.steps) == (scope, DECISION, (first, second))
    assert (run.latency_s, run.cost_usd, run.known_cost_usd) == (3.0, None, Decimal("0.000123"))
    assert store.runs.steps(scope, "r1") == run.steps


def test_a_step_replaces_the_one_of_the_same_key(store: Store, begin, step, scope) -> None:
    claim = begin()
    store.runs.record(claim, steps=[step("a"), step("b")])
    done = step("a", status="done", attempt=2, output="x")
    store.runs.record(claim, steps=[step("a", error="late"), done, step("c")])
    assert store.runs.steps(scope, "r1") == (done, step("b"), step("c"))


def test_hundreds_of_steps_fit_into_one_record(store: Store, begin, step, scope) -> None:
    claim = begin()
    steps = tuple(step(f"k{n:04}") for n in range(1200))
    store.runs.record(claim, steps=steps)
    store.runs.record(claim, steps=steps)
    assert store.runs.steps(scope, "r1") == steps


def test_a_step_of_another_run_is_refused_and_nothing_is_stored(
    store: Store, begin, step, scope
) -> None:
    claim = begin()
    with pytest.raises(InvalidInput, match="'r2'"):
        store.runs.record(
            claim, steps=[step("a"), step("b", run_id="r2")], events=[AnswerDelta(text="x")]
        )
    assert store.runs.steps(scope, "r1") == ()
    assert store.events.after(scope, "r1", 0) == ()


def test_an_instant_without_a_time_zone_is_refused(store: Store, begin, step, clock) -> None:
    claim = begin()
    with pytest.raises(Exception, match="no time zone"):
        store.runs.record(claim, steps=[step("a", started_at=clock().replace(tzinfo=None))])


def test_a_taken_run_id_is_refused(begin) -> None:
    begin("r1")
    with pytest.raises(InvalidInput, match="'r1' is taken"):
        begin("r1", scope=Scope(tenant="other"))


def test_nothing_is_recorded_after_the_end(store: Store, begin, step, scope) -> None:
    claim = begin()
    store.runs.record(claim, end=RunEnd(status="failed", error="All failed."))
    with pytest.raises(StoreError, match="has ended"):
        store.runs.record(claim, steps=[step("late")])
    assert store.runs.get(scope, "r1").error == "All failed."


def test_events_are_numbered_from_one_without_a_gap(store: Store, begin, step, scope) -> None:
    claim = begin()
    bodies = [
        StepStarted(step=step("a")),
        Decided(decision=DECISION),
        Draft(agent="billing", text="a"),
        StepEnded(step=step("a", status="done", output={"x": 1})),
        AnswerDelta(text="b"),
        Done(status="done", answer="b"),
    ]
    assert store.runs.record(claim, events=bodies[:2]) == 2
    assert store.runs.record(claim, steps=[step("a")]) == 2
    assert store.runs.record(claim, events=bodies[2:], end=RunEnd(status="done")) == 6
    found = store.events.after(scope, "r1", 0)
    assert [event.seq for event in found] == [1, 2, 3, 4, 5, 6]
    assert [event.body for event in found] == bodies
    assert store.events.after(scope, "r1", 4) == found[4:]
    assert store.events.after(scope, "r1", 1, limit=2) == found[1:3]
    assert store.events.after(scope, "r1", 6) == ()


def test_text_cut_within_a_character_can_be_stored_and_read(store: Store, begin, scope) -> None:
    claim = begin(query="a\x00b")
    store.runs.record(
        claim,
        events=[AnswerDelta(text="half \ud83c")],
        end=RunEnd(status="done", answer="\ud83c\udfad \ud83c."),
    )
    run = store.runs.get(scope, "r1")
    assert (run.query, run.answer) == ("a\ufffdb", "\U0001f3ad \ufffd.")
    assert store.events.after(scope, "r1", 0)[0].body == AnswerDelta(text="half \ufffd")


def test_a_run_out_of_scope_is_unknown(store: Store, begin, scope) -> None:
    begin()
    stranger = replace(scope, session="s2")
    for read in (
        lambda: store.runs.get(stranger, "r1"),
        lambda: store.runs.steps(stranger, "r1"),
        lambda: store.runs.options(stranger, "r1"),
        lambda: store.runs.list(stranger, before="r1"),
        lambda: store.runs.request_cancel(stranger, "r1"),
        lambda: store.events.after(stranger, "r1", 0),
    ):
        with pytest.raises(UnknownName, match="'r1'"):
            read()
    assert store.runs.get(replace(scope, session=None), "r1").id == "r1"


def test_options_come_back(store: Store, scope) -> None:
    options = {"agents": ["a"], "memory": "auto", "budget_usd": "0.02"}
    store.runs.create(scope, "r1", "q", options=options, owner="me", lease_s=30)
    assert store.runs.options(scope, "r1") == options


def test_runs_are_listed_newest_first_in_pages(store: Store, begin, step, clock, scope) -> None:
    for number in range(7):
        claim = begin(f"r{number}")
        store.runs.record(claim, steps=[step("a", run_id=f"r{number}", output="long")])
        if number % 2:  # two runs of every instant
            clock.forward(1)
    page = store.runs.list(scope, limit=3)
    assert [run.id for run in page] == ["r6", "r5", "r4"]
    assert page[0].cost_usd == Decimal("0.000123")
    assert page[0].steps[0].output is None
    rest = store.runs.list(scope, limit=3, before="r4")
    assert [run.id for run in rest] == ["r3", "r2", "r1"]
    assert [run.id for run in store.runs.list(scope, before="r1")] == ["r0"]


def test_exchanges_are_the_last_answered_queries_of_the_session(
    store: Store, begin, clock, scope
) -> None:
    ends = ["done", "failed", "done", "done", None]
    for number, status in enumerate(ends):
        claim = begin(f"r{number}", query=f"q{number}")
        if status is not None:
            decision = DECISION if number == 3 else None
            end = RunEnd(status=status, answer=f"a{number}")
            store.runs.record(claim, decision=decision, end=end)
        clock.forward(1)
    other = begin("r9", scope=replace(scope, session="s2"))
    store.runs.record(other, end=RunEnd(status="done", answer="other"))
    assert store.runs.exchanges(scope, limit=2) == (
        Exchange(run_id="r2", query="q2", answer="a2"),
        Exchange(run_id="r3", query="q3", answer="a3", agents=("billing", "calculator")),
    )
    assert store.runs.exchanges(replace(scope, session=None), limit=2) == ()
