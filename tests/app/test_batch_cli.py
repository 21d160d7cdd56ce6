"""`callboard batch`: a file of queries goes in, a file of answers comes out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from batch_team import AGENTS, make_team, queries, read_answers, write_lines
from typer.testing import CliRunner, Result

from callboard import Board
from callboard.agents.registry import Registered
from callboard.app.batch import DATABASE_URL, board_worker, for_cluster, for_here
from callboard.app.cli import app
from callboard.config import Settings, load_settings
from callboard.errors import ConfigurationError


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return make_team(tmp_path)


def test_answers_are_written_and_the_runs_are_on_record(config: Path, tmp_path: Path) -> None:
    lines = [
        {"id": "a", "query": "What is 15% of 240?"},
        {"id": "b", "query": "What is 2 times 4?", "user": "ann", "session": "s1"},
        {"id": "c", "query": "How many kilometres are 3 miles?", "agents": ["nobody"]},
        {"id": "d", "query": " "},
    ]
    file = write_lines(tmp_path / "in.jsonl", lines)
    result = call("--config", config, "batch", file, "--out", "out.jsonl", "--json")
    assert result.exit_code == 1  # two rows failed
    told = json.loads(result.stdout)
    assert (told["total"], told["done"], told["failed"], told["left"]) == (4, 4, 2, 0)
    assert (told["cost_usd"], told["out"]) == (0, "out.jsonl")
    texts = Path("out.jsonl").read_text(encoding="utf-8").splitlines()
    found = {one["id"]: one for one in map(json.loads, texts)}
    assert "36" in found["a"]["answer"]
    assert found["a"]["agents"] == ["calculator"]
    assert found["a"]["cost_usd"] == 0
    assert "nobody" in found["c"]["error"]
    assert "empty" in found["d"]["error"]
    with Board(load_settings(config), recover=False) as board:
        run = board.get_sync(found["b"]["run"], user="ann")
    assert (run.query, run.answer) == (lines[1]["query"], found["b"]["answer"])
    again = call("--config", config, "batch", file, "--out", "out.jsonl", "--json")
    assert json.loads(again.stdout)["asked"] == 0


def test_routing_calls_nobody_and_tells_why(config: Path, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "in.jsonl", queries(20))
    result = call("--config", config, "batch", file, "--out", "out.jsonl", "--route")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("20 of 20 done, 0 failed, $0, ")
    found = read_answers(Path("out.jsonl"))
    assert [one["id"] for one in found] == [f"q{n}" for n in range(1, 21)]
    assert {"reason", "confidence", "candidates"} <= set(found[0]["decision"])
    assert {name for one in found for name in one["agents"]} == {"calculator", "dates", "units"}
    with Board(load_settings(config), recover=False) as board:
        assert board.list_sync() == ()


def test_options_hold_where_a_row_says_nothing(config: Path, tmp_path: Path) -> None:
    lines = [{"query": "What is 2 times 4?"}, {"query": "What is 2 times 4?", "agents": ["dates"]}]
    file = write_lines(tmp_path / "in.jsonl", lines)
    call("--config", config, "batch", file, "--out", "o", "--route", "--agents", "units,calculator")
    assert [one["agents"] for one in read_answers(Path("o"))] == [
        ["units", "calculator"],
        ["dates"],
    ]


def test_ctrl_c_leaves_a_file_that_can_be_gone_on_with(config: Path, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "in.jsonl", queries(3000))
    out = tmp_path / "out.jsonl"
    arguments = ["--config", str(config), "batch", str(file), "--out", str(out), "--route"]
    process = subprocess.Popen(
        [sys.executable, "-m", "callboard", *arguments],
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not (out.exists() and out.stat().st_size):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 1, stderr
    assert "Stopping when what is under way has ended" in stderr
    assert "Run the same again to go on" in stderr
    done = len(read_answers(out))
    assert 0 < done < 3000
    assert stdout.startswith(f"{done:,} of 3,000 done")


def test_what_belongs_to_a_cluster_is_refused_without_one(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "in.jsonl", queries(1))
    result = call("batch", file, "--out", "out.jsonl", "--workers", "3")
    assert result.exit_code == 2
    assert "--on ray" in result.stderr
    assert call("batch", "nowhere.jsonl", "--out", "out.jsonl").exit_code == 2


# What is shipped --------------------------------------------------------------------------------


def shipped(settings: Settings, *, machines: int = 1, route: bool = False) -> Any:
    agents = [Registered(agent=one, version=1, state="live") for one in AGENTS]
    return for_cluster(settings, agents, machines=machines, route=route, at_once=1)


def test_settings_are_the_same_where_they_arrive() -> None:
    price = {"gpu_per_hour": 2, "input_tokens_per_second": 9000, "output_tokens_per_second": 900}
    small = {"model": "openai/small", "adapters": ["legal"], "daily_usd": "1.5", "price": price}
    settings = load_settings(
        models={
            "small": small,
            "main": {"model": "openai/main"},
            "both": {"ladder": ["small", "main"]},
        },
        router={"model": "both", "out_of_scope": ["weather"]},
    )
    given = json.loads(json.dumps(for_here(settings, route=False, at_once=1)))
    assert Settings.model_validate(given["settings"]) == settings


def test_a_password_is_not_shipped_and_its_absence_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = shipped(Settings(database_url="postgresql+psycopg://board:geheim@db/board"))
    assert "geheim" not in json.dumps(given)
    monkeypatch.delenv(DATABASE_URL, raising=False)
    with pytest.raises(ConfigurationError, match=DATABASE_URL):
        board_worker(given)
    open_ = shipped(Settings(database_url="postgresql+psycopg://board@db/board"))
    assert open_["settings"]["database_url"] == "postgresql+psycopg://board@db/board"


def test_several_machines_record_no_runs_in_one_machines_file(tmp_path: Path) -> None:
    settings = Settings(database_url="sqlite:///board.db")
    given = shipped(settings)
    assert given["settings"]["database_url"] == f"sqlite:///{tmp_path}/board.db"
    with pytest.raises(ConfigurationError, match=r"3 machines, .* PostgreSQL, or --route"):
        shipped(settings, machines=3)


def test_several_machines_route_with_the_agents_that_are_shipped() -> None:
    settings = Settings(database_url="sqlite:///board.db", memory={"enabled": False})
    given = json.loads(json.dumps(shipped(settings, machines=3, route=True)))
    asker = board_worker(given)
    try:
        (outcome,) = asker([{"query": "How many kilometres are 12 miles?"}])
    finally:
        asker.close()
    assert outcome["agents"] == ["units"]
    assert not Path("board.db").exists()
