"""The speed benchmark at a tiny scale: what it counts is there, and it leaves no agent behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from callboard import Board, ConfigurationError, InvalidInput, Settings
from callboard.benchmarks.routing_speed import (
    many_agents,
    many_queries,
    measure,
    measure_peer,
)


def silent(what: str) -> None:
    """Say nothing."""


def test_every_size_has_a_row_and_newcomers_leave_again(data: Path, tmp_path: Path) -> None:
    agents = many_agents(data, 5)
    texts = many_queries(data, 2, 4)
    database = tmp_path / "speed.db"
    rows = measure(agents, texts, [2, 5], database, silent, crowd_s=0.3)
    assert [row["agents"] for row in rows] == [2, 5]
    for row in rows:
        assert all(value is not None and value >= 0 for value in row.values()), row
        assert row["crowd_queries_per_s"] > 0
    with Board(Settings(database_url=f"sqlite:///{database}")) as board:
        assert [one.agent for one in board.agents()] == sorted(agents, key=lambda one: one.name)
    (again,) = measure(agents, texts[:1], [2], database, silent, crowd_s=0.1)
    assert again["agents"] == 2


def test_there_are_as_many_agents_as_are_wanted(data: Path) -> None:
    agents = many_agents(data, 12)
    assert len({agent.name for agent in agents}) == 12
    assert len({agent.description for agent in agents}) == 12
    assert agents[5].description.startswith("Edition 2.")


def test_no_query_is_asked_twice(data: Path) -> None:
    queries = many_queries(data, 3, 3)
    assert len({query for part in queries for query in part}) == 9
    with pytest.raises(InvalidInput, match="--queries"):
        many_queries(data, 4, 3)


def test_a_python_without_the_peer_is_told_what_to_install(data: Path) -> None:
    agents, texts = many_agents(data, 2), many_queries(data, 1, 2)
    for python in (sys.executable, "/no/such/python"):
        with pytest.raises(ConfigurationError, match="python"):
            measure_peer(python, agents, texts, [2], 2, silent)


def test_the_command_prints_one_json_object(data: Path) -> None:
    command = [sys.executable, "-m", "callboard.benchmarks.routing_speed", "--data", str(data)]
    options = ["--sizes", "2", "--queries", "4", "--crowd-seconds", "0.1"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["rows"][0]["agents"] == 2
    assert found["semantic_router"] is None
    assert "fresh p50 ms" in done.stderr
