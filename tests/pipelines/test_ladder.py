"""Ladders in whole turns: what is asked, recorded, paid and resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pipeline_boards import ABLE

from callboard import Agent, Board, ConfigurationError, ScriptedModel, Settings

LADDER = {"small": ABLE, "main": ABLE, "careful": {"ladder": ["small", "main"]}}
REFUSAL = "I'm sorry, I can't help with that."
HELPER = Agent(name="helper", description="Answers all that is asked.", model="careful")


@pytest.fixture
def climbing(tmp_path: Path) -> Iterator[Any]:
    boards: list[Board] = []

    def make(small: list[Any], main: list[Any], **settings: Any) -> Board:
        board = Board(
            Settings(
                database_url=f"sqlite:///{tmp_path / 'board.db'}",
                models=LADDER,
                refiner={"model": None},
                **settings,
            ),
            models={"small": ScriptedModel(small), "main": ScriptedModel(main)},
            recover=False,
        )
        boards.append(board)
        board.register(HELPER, replace=True)
        return board

    yield make
    for board in boards:
        board.close()


def calls(run: Any) -> list[tuple[str, str]]:
    return [(step.model, step.status) for step in run.steps if step.name == "call"]


def test_the_cheap_model_answers_and_is_the_only_step(climbing) -> None:
    run = climbing(["It is blue."], []).run_sync("Which colour?", agents=["helper"])
    assert run.answer == "It is blue."
    assert calls(run) == [("small", "done")]


def test_both_calls_are_steps_of_their_own_with_the_reason_between(climbing) -> None:
    run = climbing([REFUSAL], ["It is blue."]).run_sync("Which colour?", agents=["helper"])
    assert run.answer == "It is blue."
    assert calls(run) == [("small", "done"), ("main", "done")]
    assert run.cost_usd == sum(s.usage.cost_usd for s in run.steps if s.name == "call")
    (decided,) = [step for step in run.steps if step.name == "ladder"]
    assert decided.output["reason"] == "small gave no answer: main is asked."


def test_a_budget_that_ends_after_the_draft_leaves_the_draft(climbing) -> None:
    board = climbing([REFUSAL], [])
    run = board.run_sync("Which colour?", agents=["helper"], budget_usd=0.0021)
    assert calls(run) == [("small", "done"), ("main", "failed")]
    assert REFUSAL in run.answer


def test_a_predictor_that_is_missing_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    models = {**LADDER, "careful": {**LADDER["careful"], "predictor": "none.safetensors"}}
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'b.db'}", models=models)
    scripts = {"small": ScriptedModel([]), "main": ScriptedModel([])}
    missing = pytest.raises(ConfigurationError, match=r"no predictor 'none.safetensors'")
    with Board(settings, models=scripts) as board, missing:
        board.run_sync("Which colour?")


CRASHES = """
    import sys, time
    from callboard import Agent, Board, ScriptedModel, Settings
    from callboard.model_settings import ModelSettings

    def hang(request):
        print("asked", flush=True)
        time.sleep(600)

    x = ModelSettings(model="openai/x", retries=0)
    board = Board(
        Settings(database_url=sys.argv[1], limits={"lease_s": 0.5}, refiner={"model": None},
                 models={"small": x, "main": x, "careful": {"ladder": ["small", "main"]}}),
        models={"small": ScriptedModel([sys.argv[2]]), "main": ScriptedModel(hang)},
        recover=False)
    board.register(Agent(name="helper", description="Answers all that is asked.", model="careful"))
    print(board.start_sync("Which colour?", agents=["helper"]), flush=True)
    time.sleep(600)
"""


def test_a_resumed_turn_asks_no_rung_again_that_has_answered(climbing, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'board.db'}"
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CRASHES), url, REFUSAL],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        assert process.stdout.readline().strip() == "asked"
        os.kill(process.pid, signal.SIGKILL)
    board = climbing([], ["It is blue."], limits={"lease_s": 0.5})
    deadline = time.monotonic() + 10
    while not board.resume_sync():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    run = board.get_sync(run_id)
    assert run.answer == "It is blue."
    attempts = {step.model: step.attempt for step in run.steps if step.name == "call"}
    assert attempts == {"small": 1, "main": 2}
