"""What is too old goes, in batches, and nothing that something still needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from callboard.config import RetentionSettings
from callboard.errors import BudgetExceeded
from callboard.store.allowance import Allowance
from callboard.store.booking import settling
from callboard.store.chunks import Mark
from callboard.store.engine import Store
from callboard.store.runs import RunEnd
from callboard.values import AnswerDelta, Reservation, Scope, Usage

DAY_S = 86_400
MONTH = RetentionSettings(runs_days=30)


def asked(store: Store, begin: Any, step: Any, run_id: str, *, ended: bool = True) -> None:
    """Leave a run with a step and an event."""
    claim = begin(run_id)
    store.runs.record(
        claim,
        steps=[step("act:a", run_id)],
        events=[AnswerDelta(text="Because.")],
        end=RunEnd(status="done", answer="Because.") if ended else None,
    )


def ids(store: Store, scope: Scope) -> list[str]:
    return [run.id for run in store.runs.list(scope)]


def test_what_is_kept_for_ever_is_not_pruned(store: Store, begin, step, clock, scope) -> None:
    asked(store, begin, step, "r1")
    clock.forward(10_000 * DAY_S)
    assert store.retention.due(RetentionSettings()) == {}
    assert store.retention.prune(RetentionSettings()) == {}
    assert ids(store, scope) == ["r1"]


def test_old_runs_go_with_all_that_is_theirs(store: Store, begin, step, clock, scope) -> None:
    asked(store, begin, step, "old")
    store.feedback.put(scope, "old", ["a"], 1.0)
    store.sessions.rename(scope, "About reasons")
    clock.forward(29 * DAY_S)
    asked(store, begin, step, "young")
    assert store.retention.due(MONTH) == {"runs": 0, "session_titles": 0}
    clock.forward(2 * DAY_S)
    assert store.retention.due(MONTH) == {"runs": 1, "session_titles": 0}
    assert store.retention.prune(MONTH) == {"runs": 1, "session_titles": 0}
    assert ids(store, scope) == ["young"]
    assert store.users.kept(scope) == {
        "runs": 1,
        "summaries": 1,
        "steps": 1,
        "events": 1,
        "session_titles": 1,
        "feedback_marks": 1,
    }
    assert store.feedback.since(scope, 0) == ()
    clock.forward(30 * DAY_S)
    assert store.retention.prune(MONTH) == {"runs": 1, "session_titles": 1}
    assert "session_titles" not in store.users.kept(scope)


def test_what_is_still_running_is_never_pruned(store: Store, begin, step, clock, scope) -> None:
    asked(store, begin, step, "going", ended=False)
    meter = store.ledger.meter(scope, "going", allowance=Allowance(run_usd=Decimal(1)))
    reservation, booking = meter.reserving(Decimal("0.9"), "main")
    store.ledger.book(booking)
    store.ledger.book(settling(scope, reservation, Usage(cost_usd=Decimal("0.9"))))
    clock.forward(100 * DAY_S)
    all_old = RetentionSettings(runs_days=1, ledger_days=32)
    assert set(store.retention.prune(all_old).values()) == {0}
    assert ids(store, scope) == ["going"]
    _, more = meter.reserving(Decimal("0.2"), "main")
    store.ledger.book(more)
    assert isinstance(more.refused, BudgetExceeded)  # what it spent before still counts
    store.runs.record(
        replace(begin("other"), run_id="going"), end=RunEnd(status="done", answer="At last.")
    )
    assert store.retention.prune(all_old) == {"runs": 1, "session_titles": 0, "ledger": 1}


def spend(store: Store, scope: Scope, run_id: str, usd: str) -> Reservation:
    meter = store.ledger.meter(scope, run_id, allowance=Allowance())
    reservation, booking = meter.reserving(Decimal(usd), "main")
    store.ledger.book(booking)
    return reservation


def test_old_ledger_lines_go_and_what_was_spent_stays_spent(
    store: Store, clock, scope: Scope
) -> None:
    settled = spend(store, scope, "r1", "2")
    store.ledger.book(settling(scope, settled, Usage(cost_usd=Decimal(2))))
    spend(store, scope, "r1", "1")  # its process died: it counts as its bound
    clock.forward(40 * DAY_S)
    spend(store, scope, "r2", "4")
    assert store.retention.prune(RetentionSettings(ledger_days=32)) == {"ledger": 2}
    assert [entry.run_id for entry in store.ledger.entries(scope, "r2")] == ["r2"]
    assert store.ledger.entries(scope, "r1") == ()
    limited = Allowance(session_usd=Decimal("7.5"))
    _, more = store.ledger.meter(scope, "r3", allowance=limited).reserving(Decimal(1), "main")
    store.ledger.book(more)
    assert more.refused is not None
    assert "0.5 of the session's 7.5 USD" in str(more.refused)


def test_old_memory_goes_and_indexes_are_told(store: Store, chunk, clock, scope) -> None:
    ann, bob = scope.owner, Scope(tenant="acme", user="bob")
    store.chunks.add(ann, [chunk("a1"), chunk("a2")])
    store.chunks.add(bob, [chunk("b1")])
    store.chunks.add(scope.everyone, [chunk("handbook", session=None)])
    clock.forward(10 * DAY_S)
    store.chunks.supersede(ann, "a2", chunk("a3"))
    before = store.chunks.mark(ann)
    clock.forward(25 * DAY_S)
    settings = RetentionSettings(memory_days=30)
    assert store.retention.due(settings) == {"memory": 3}
    assert store.retention.prune(settings) == {"memory": 3}
    assert [row.id for row in store.chunks.all(ann)] == ["a3"]
    assert [row.id for row in store.chunks.versions(ann, "a3")] == ["a3"]
    assert store.chunks.all(bob) == ()
    assert [row.id for row in store.chunks.all(scope.everyone)] == ["handbook"]
    assert store.chunks.mark(ann) == Mark(sequence=3, erasures=before.erasures + 1)


def test_old_feedback_goes_with_the_vectors_of_its_words(store: Store, begin, clock, scope) -> None:
    begin("r1", query="Why was I charged?")
    store.feedback.put(scope, "r1", ["billing", "refunds"], 1.0, comment="Good.")
    texts = {"Why was I charged?": b"1", "Invoices and charges.": b"2"}
    store.vectors.put(Scope(tenant="acme"), "minilm", texts)
    before = store.chunks.mark(scope.everyone).erasures
    clock.forward(8 * DAY_S)
    assert store.retention.prune(RetentionSettings(feedback_days=7)) == {"feedback": 1}
    assert store.feedback.since(scope, 0) == ()
    known = store.vectors.get(Scope(tenant="acme"), "minilm", tuple(texts))
    assert known == {"Invoices and charges.": b"2"}
    assert store.chunks.mark(scope.everyone).erasures == before + 1
    assert ids(store, scope) == ["r1"]


def test_earlier_versions_go_and_the_last_of_each_agent_stays(store: Store, clock) -> None:
    local = Scope()
    for number in range(3):
        store.agents.put(local, "a", {"n": number}, replace=True)
    store.agents.put(local, "gone", {"n": 0}, replace=False)
    store.agents.remove(local, "gone")
    clock.forward(40 * DAY_S)
    store.agents.put(local, "a", {"n": 3}, replace=True)
    settings = RetentionSettings(agent_versions_days=30)
    assert store.retention.prune(settings) == {"agent_versions": 4}
    assert [row.version for row in store.agents.history(local, "a")] == [4]
    # Who has not looked since still learns that it was removed.
    changes = {row.name: row.spec for row in store.agents.changes(local, 0)[1]}
    assert changes == {"a": {"n": 3}, "gone": None}


def test_many_are_pruned_batch_by_batch(sqlite_url: str, clock, step) -> None:
    store = Store.open(sqlite_url, clock=clock)
    for number in range(120):
        claim = store.runs.create(
            Scope(user=f"u{number % 7}"), f"r{number}", "?", options={}, owner="me", lease_s=1
        )
        store.runs.record(claim, end=RunEnd(status="done"))
    clock.forward(31 * DAY_S)
    first = store.retention.prune_some(MONTH)
    assert 0 < first["runs"] < 120
    assert first["runs"] + store.retention.prune(MONTH)["runs"] == 120
    assert store.retention.due(MONTH) == {"runs": 0, "session_titles": 0}
    store.close()


def test_the_ledger_keeps_the_month_for_its_budget() -> None:
    with pytest.raises(ValueError, match="ledger_days"):
        RetentionSettings(ledger_days=31)
    assert timedelta(days=RetentionSettings(ledger_days=32).ledger_days or 0).days == 32
