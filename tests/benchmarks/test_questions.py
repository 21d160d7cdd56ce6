"""Holds the first file of questions: who is called, and that the answers are right."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from callboard import Board, ScriptedModel, load_settings
from callboard.pipelines.evaluation import Report, evaluate, read_questions


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    folder = tmp_path_factory.mktemp("questions")
    settings = load_settings(
        database_url=f"sqlite:///{folder / 'questions.db'}",
        bundled_agents=True,
        memory={"enabled": False},
        refiner={"model": None},
    )
    model = ScriptedModel(lambda request: "A kind word.")
    with as_file(files("callboard.benchmarks").joinpath("data/questions_own.yaml")) as path:
        questions = read_questions(Path(path))
    with Board(settings, models={"main": model}) as board:
        yield evaluate(board, questions)


def test_the_right_agents_are_called(report: Report) -> None:
    assert (report.label_in_set.percent or 0) >= 95
    assert (report.mean_set_size or 9) <= 1.5


def test_what_is_out_of_scope_calls_nobody(report: Report) -> None:
    assert (report.oos_recall.percent or 0) >= 90


def test_facts_stand_in_the_answers_of_those_who_were_called(report: Report) -> None:
    wrong = [
        (item.question.question, item.missing_facts)
        for item in report.checked
        if item.question.in_scope and item.all_right and item.missing_facts
    ]
    assert len(wrong) <= 1, wrong
    assert (report.facts_kept.percent or 0) >= 94
