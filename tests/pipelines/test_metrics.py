"""Metrics of stored runs, against values worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from callboard.pipelines.metrics import hit_rate, persistence, routing_metrics
from callboard.values import Decision, Method, Run, Scope


def sets(*names: str) -> list[frozenset[str]]:
    return [frozenset(name) for name in names]


def test_one_agent_for_all_is_as_steady_as_can_be() -> None:
    assert persistence(sets("a", "a", "a", "a"), 4) == 1
    assert hit_rate(sets("a", "a", "a", "a"), 4, 1) == 1


def test_steadiness_is_the_best_f1_of_keeping_agents() -> None:
    # Kept: a (3 calls of 4 queries), 2 * 3 / (4 + 4); with b too it is 2 * 4 / (8 + 4).
    assert persistence(sets("a", "a", "a", "b"), 4) == pytest.approx(6 / 8)
    assert hit_rate(sets("a", "a", "a", "b"), 4, 1) == pytest.approx(3 / 4)
    assert hit_rate(sets("a", "a", "a", "b"), 4, 2) == 1


def test_every_stretch_may_keep_others() -> None:
    assert persistence(sets("a", "a", "b", "b"), 2) == 1
    assert persistence(sets("a", "a", "b", "b"), 4) == pytest.approx(8 / 12)
    assert hit_rate(sets("ab", "ab", "c", "c"), 2, 1) == pytest.approx(4 / 6)


def test_few_runs_are_one_stretch_and_none_tell_nothing() -> None:
    assert persistence(sets("a", "a"), 64) == 1
    assert persistence([], 4) is None
    assert hit_rate([], 4, 1) is None


def run(number: int, *agents: str, method: Method = "retrieval", in_scope: bool = True) -> Run:
    return Run(
        id=str(number),
        scope=Scope(),
        query="q",
        status="done",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        decision=Decision(
            agents=agents, method=method, reason="", confidence=1.0, in_scope=in_scope
        ),
    )


def test_shares_and_calls_by_category() -> None:
    runs = [
        run(1, "units", "dates"),
        run(2, "units", method="reasoning"),
        run(3, method="fallback", in_scope=False),
    ]
    found = routing_metrics(runs, {"units": "numbers", "dates": "numbers"})
    assert found.runs == 3
    assert found.mean_set_size == 1.5
    assert found.reasoned_share == found.fallback_share == found.out_of_scope_share == 1 / 3
    assert found.categories == {"numbers": {"units": 2, "dates": 1}}


def test_no_runs_are_unknown_and_not_0() -> None:
    found = routing_metrics([], {})
    assert (found.runs, found.mean_set_size, found.reasoned_share) == (0, None, None)
    assert set(found.persistence.values()) == {None}
