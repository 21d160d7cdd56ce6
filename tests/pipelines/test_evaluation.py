from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard import Board, InvalidInput
from callboard.pipelines.evaluation import Rate, evaluate, read_questions

FILE = """
questions:
  - {question: "What is 20% of 50?", agents: [calculator], facts: ["36"]}
  - {question: "which weekday is 2026-03-01?", any_of: [[dates], [calculator]], facts: ["Monday"]}
  - {question: "who won the football world cup in 1998?", agents: []}
"""


def written(text: str) -> Path:
    path = Path("questions.yaml")
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_right_and_wrong_is_told_apart(board: Board) -> None:
    seen: list[tuple[int, int]] = []
    questions = read_questions(written(FILE))
    report = evaluate(board, questions, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert report.label_in_set.percent == report.all_in_set.percent == 100
    assert report.oos_recall.percent == 100
    assert report.mean_set_size == 1
    assert report.facts_kept == Rate(hits=1, total=2)
    assert report.cost_usd == Decimal(0)
    (failure,) = report.to_json()["failures"]
    assert failure["missing_facts"] == ["Monday"]
    assert failure["chosen"] == ["dates"]


def test_routing_alone_calls_nobody(board: Board) -> None:
    report = evaluate(board, read_questions(written(FILE)), answers=False)
    assert report.facts_kept.percent is None
    assert not report.failures
    assert board.list_sync() == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("questions: []", "questions"),
        ("- {question: q}", "give either 'agents'"),
        ("- {question: q, agents: [a], any_of: [[b]]}", "give either 'agents'"),
        ("- {question: q, agent: [a]}", "did you mean 'agents'"),
        ("{", "can't be read"),
    ],
)
def test_a_wrong_file_is_refused_with_the_fix(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_questions(written(text))
    assert message in str(caught.value)


def test_wilsons_interval_of_thirty_of_thirty() -> None:
    assert Rate(hits=30, total=30).interval == (88.65, 100.0)
    assert Rate(hits=0, total=0).interval is None


@given(st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share(counts: tuple[int, int]) -> None:
    rate = Rate(hits=counts[0], total=counts[1])
    assert rate.interval is not None
    assert rate.percent is not None
    low, high = rate.interval
    assert 0 <= low <= rate.percent + 0.01
    assert rate.percent - 0.01 <= high <= 100
