"""`callboard models audit`: what it tells of the runs in a database."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from callboard import Agent, Board, ScriptedModel, Settings
from callboard.app.cli import app
from callboard.model_settings import ModelSettings, PriceSettings
from callboard.models.audit import ENOUGH
from callboard.models.chat import ChatReply
from callboard.values import StepEnded, Usage

MODEL = ModelSettings(
    model="openai/thinker",
    price=PriceSettings(input_per_million=Decimal(1), output_per_million=Decimal(2)),
)
LINE = "Roses are red."
"""Four tokens with its full stop."""


def thought(reasoning_tokens: int | None, cached: bool = False) -> ChatReply:
    usage = Usage(input_tokens=100, output_tokens=500, reasoning_tokens=reasoning_tokens)
    return ChatReply(text=LINE, model="thinker", usage=usage, latency_s=0.1, cached=cached)


@pytest.fixture
def ask(tmp_path: Path) -> Any:
    """Return a function that asks an agent as often as there are replies, and gives the runs."""

    def ask(*replies: ChatReply, user: str = "local") -> list[str]:
        settings = Settings(bundled_agents=False, models={"main": MODEL}, refiner={"model": None})
        with Board(settings, models={"main": ScriptedModel(list(replies))}) as board:
            board.register(Agent(name="poet", description="Writes poems and rhymes."))
            runs = [board.run_sync("Write.", agents=["poet"], user=user) for _ in replies]
            told = [
                event.body.step.usage.reasoning_tokens
                for event in board.records.events_sync(runs[-1].id, user=user)
                if isinstance(event.body, StepEnded) and event.body.step.name == "call"
            ]
        assert told == [replies[-1].usage.reasoning_tokens]
        return [run.id for run in runs]

    return ask


def audit(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["models", "audit", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result


def rows(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(audit("--json", *arguments).stdout)["rows"]
    return found


def test_without_a_call_there_is_nothing_to_audit() -> None:
    assert "No model has answered since" in audit().stderr
    assert rows() == []


def test_too_few_earlier_calls_are_said_to_be_too_few(ask) -> None:
    ask(thought(40), thought(None), thought(0), thought(7, cached=True))
    ask(thought(9), user="ann")
    (row,) = rows()
    assert (row["model"], row["domain"]) == ("openai/thinker", "poet")
    assert (row["calls"], row["told"], row["billed_tokens"]) == (4, 3, 49)
    assert (row["baseline"], row["baseline_calls"], row["times"]) == (None, 0, None)
    assert [one["billed_tokens"] for one in rows("--user", "ann")] == [9]
    drawn = audit().stdout
    assert "too few" in drawn
    assert "not a proof" in drawn
    assert rows("--since", "2999-01-01") == []


def test_more_than_is_usual_is_shown_with_its_runs(ask, tmp_path: Path) -> None:
    ask(*[thought(40)] * ENOUGH)
    with sqlite3.connect(tmp_path / "callboard.db") as database:
        database.execute("UPDATE steps SET started_at = datetime(started_at, '-30 days')")
    _, greedy = ask(thought(40), thought(200))
    (row,) = rows()
    assert (row["baseline"], row["baseline_calls"], row["median_ratio"]) == ("domain", ENOUGH, 10)
    assert (row["billed_tokens"], row["expected_tokens"], row["times"]) == (240, 80, 3)
    assert (row["above_p99"], row["run_ids"], row["interval"]) == (1, [greedy], None)
    drawn = audit().stdout
    assert greedy in drawn
    assert "3.00" in drawn
    assert [one["calls"] for one in rows("--since", "2000-01-01")] == [ENOUGH + 2]
