"""The views say what the record says, and keep known and unknown apart."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from callboard.app.views import (
    cost_text,
    money_text,
    plain,
    run_json,
    step_tree,
    time_text,
    tokens_text,
)
from callboard.values import UNKNOWN_USAGE, Run, Usage


def test_a_run_becomes_the_promised_object(run: Run) -> None:
    data = json.loads(json.dumps(run_json(run)))
    assert {"id", "status", "query", "answer", "decision", "steps", "cost_usd"} <= set(data)
    assert set(data["decision"]) >= {
        *("agents", "method", "reason", "confidence", "in_scope", "candidates", "parts", "tiers"),
        *("latency_s", "cost_usd"),
    }
    assert data["decision"]["candidates"][1] == {
        "agent": "calculator",
        "score": 0.97,
        "chosen": True,
        "reason": "fits the first wish",
    }
    assert data["latency_s"] == pytest.approx(1.32)
    call = data["steps"][5]
    assert call["usage"] == {"input_tokens": 310, "output_tokens": 42, "cost_usd": 0.0012}
    assert call["parent_id"] == "s5"
    assert call["started_at"] == "2026-01-15T08:00:00.006000+00:00"


def test_one_unknown_cost_makes_the_total_null_beside_what_is_known(run: Run) -> None:
    data = run_json(run)
    assert data["cost_usd"] is None
    assert data["known_cost_usd"] == 0.0012
    assert data["steps"][6]["usage"]["cost_usd"] is None


def test_a_run_without_a_decision_has_none(run: Run) -> None:
    assert run_json(replace(run, decision=None, finished_at=None))["decision"] is None


def test_the_tree_follows_parents_and_time(run: Run) -> None:
    tree = step_tree(run)
    assert [node.step.id for node in tree] == ["s1", "s2", "s3", "s4", "s5"]
    assert [node.step.id for node in tree[4].children] == ["s6", "s7"]
    assert len(tuple(tree[4].usages())) == 3


def test_a_step_whose_parent_is_missing_is_still_shown(run: Run) -> None:
    alone = replace(run, steps=tuple(step for step in run.steps if step.id != "s5"))
    assert {node.step.id for node in step_tree(alone)} >= {"s6", "s7"}


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (None, "unknown"),
        (Decimal(0), "$0"),
        (Decimal("0.00"), "$0"),
        (Decimal("12.5"), "$12.50"),
        (Decimal("0.25"), "$0.25"),
        (Decimal("0.0012"), "$0.0012"),
        (Decimal("0.00000012345"), "$0.000000123"),
        (Decimal("1E-9"), "$0.000000001"),
    ],
)
def test_money_is_written_without_exponents(money: Decimal | None, text: str) -> None:
    assert money_text(money) == text


def test_costs_keep_known_and_unknown_apart() -> None:
    known = Usage(cost_usd=Decimal("0.0012"))
    assert cost_text((Usage(), Usage())) == "$0"
    assert cost_text((known, Usage())) == "$0.0012"
    assert cost_text((known, UNKNOWN_USAGE)) == "$0.0012 (+ unknown)"
    assert cost_text((UNKNOWN_USAGE, Usage())) == "unknown"


def test_tokens_that_are_unknown_are_not_counted_as_none() -> None:
    assert tokens_text((Usage(),)) == ""
    assert tokens_text((Usage(input_tokens=310, output_tokens=42), Usage())) == "310 > 42"
    assert tokens_text((Usage(input_tokens=310, output_tokens=42), UNKNOWN_USAGE)) == "? > ?"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0001, "<1 ms"),
        (0.0042, "4 ms"),
        (0.9999, "1.0 s"),
        (1.32, "1.3 s"),
        (95.4, "95 s"),
    ],
)
def test_durations_are_written_shortly(seconds: float | None, text: str) -> None:
    assert time_text(seconds) == text


def test_no_answer_can_steer_a_terminal() -> None:
    assert plain("a\x1b[31mb\x07\r\nc\td\x9b2J") == "a[31mb\nc\td2J"


def test_a_run_says_which_memory_was_chosen_why_and_what_it_cost(
    run: Run, remembering: Run
) -> None:
    assert run_json(run)["memory"] is None
    found = json.loads(json.dumps(run_json(remembering)["memory"]))
    assert (found["memo_tokens"], found["chunk_ids"]) == (40, ["a.0000", "b.0001"])
    first, second = found["modules"]
    assert (first["module"], first["asked"], first["tier"]) == ("filter", "high", "high")
    assert first["usage"] == {"input_tokens": 300, "output_tokens": 20, "cost_usd": 0.0005}
    assert (second["asked"], second["tier"], second["usage"]["cost_usd"]) == ("high", "mid", 0)
