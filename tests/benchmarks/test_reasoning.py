"""The comparison of a model that is asked with retrieval alone, on a tiny set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from callboard import ScriptedModel
from callboard.benchmarks.reasoning import Pair, compare, read, report
from callboard.benchmarks.routing import Setup

PAIR = Pair(
    set="hwu64",
    number=1,
    query="q",
    retrieval_first=False,
    retrieval_in_set=True,
    retrieval_size=3,
    auto_first=True,
    auto_in_set=True,
    auto_size=1,
    consistent=True,
    reason="So.",
    seconds=2.0,
)


def test_only_queries_that_a_model_was_asked_about_are_compared(data: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def judge(request: object) -> str:
        asked.append(str(request))
        return '{"reason": "So.", "agents": ["alarm_set"]}'

    config = tmp_path / "models.toml"
    config.write_text('[models.able]\nmodel = "openai/scripted"\n', encoding="utf-8")
    setup = Setup(policy="auto", model="able", config=config, models={"able": ScriptedModel(judge)})
    lines = tmp_path / "lines.jsonl"
    compare("hwu64", data, setup, 2, lines)
    first = read(lines)
    assert len(first) == len(asked) <= 2
    assert all(pair.consistent and pair.reason == "So." for pair in first)
    # What was measured is not measured again.
    compare("hwu64", data, setup, len(first), lines)
    assert read(lines) == first


def test_the_figures_are_those_of_the_pairs() -> None:
    pairs = [PAIR, replace(PAIR, number=3, consistent=False), replace(PAIR, number=7)]
    pairs += [replace(PAIR, number=9, consistent=None, auto_first=False, auto_size=3)]
    found = report(pairs)
    assert (found["queries"], found["useless"]) == (4, 1)
    assert found["reasoned_share"] == 40.0
    assert found["consistent"] == pytest.approx(66.67)
    assert (found["retrieval_first"], found["auto_first"]) == (0.0, 75.0)
    assert found["first_p"] == pytest.approx(0.25)
    assert (found["in_set_p"], found["retrieval_size"], found["auto_size"]) == (1.0, 3.0, 1.5)
