"""A small team for batches: three bundled functions, whose answers cost nothing.

They have no examples: what is learned from them takes seconds in every process.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from callboard import Agent, Board
from callboard.config import load_settings

AGENTS = (
    Agent(
        name="calculator",
        description="Adds, subtracts, multiplies and divides numbers, and works out percentages.",
        function="callboard.agents.bundled.calculator:calculator",
    ),
    Agent(
        name="dates",
        description="Weekdays, dates and days between dates.",
        function="callboard.agents.bundled.dates:dates",
    ),
    Agent(
        name="units",
        description="Converts lengths, weights and volumes between units.",
        function="callboard.agents.bundled.units:units",
    ),
)

CONFIG = """
bundled_agents = false
database_url = "{url}"

[router]
policy = "retrieval"

[memory]
enabled = false

[refiner]
"""


def make_team(folder: Path, url: str = "sqlite:///board.db") -> Path:
    """Write the settings of a Board with the team, and return their file."""
    file = folder / "team.toml"
    file.write_text(CONFIG.format(url=url), encoding="utf-8")
    with Board(load_settings(file), recover=False) as board:
        board.register_all(AGENTS)
    return file


def queries(count: int) -> list[dict[str, Any]]:
    """Return queries for the team, no two of them the same."""
    texts = (
        "What is {n} times 7?",
        "which weekday is 2026-{m:02d}-{d:02d}?",
        "How many kilometres are {n} miles?",
        "what is {d}% of {n}?",
        "Who painted the ceiling of chapel number {n}?",
    )
    return [
        {"id": f"q{n}", "query": texts[n % 5].format(n=n, m=n % 12 + 1, d=n % 28 + 1)}
        for n in range(1, count + 1)
    ]


def write_lines(file: Path, lines: list[dict[str, Any]]) -> Path:
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return file


def read_answers(file: Path) -> list[dict[str, Any]]:
    """Return what a batch wrote, by line, without what differs from run to run."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line.pop("latency_s")
        line.pop("run", None)
    return sorted(lines, key=lambda line: line["line"])
