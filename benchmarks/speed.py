"""How long do starting and routing take?

    python -m callboard.benchmarks.speed [--agents FILE --queries FILE] [--runs N] [--json]

Start-up is measured in new processes, the median of N runs. Warm routing is measured on the
bundled agents, or on agents and queries from files of JSON lines ({"name", "description"} and
{"text"}): the 150 agents of CLINC150, for example, which are not shipped.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from ..agents.spec import MIN_DESCRIPTION, Agent
from ..board import Board
from ..config import load_settings

QUERIES = (
    "What is 15% of 240, and which weekday is 90 days after 2026-01-15?",
    "how many miles is 10 km",
    "can I return a tent?",
    "what time is it in Tokyo",
)
WARM_UP = 20


def start_up(runs: int) -> list[dict[str, Any]]:
    """Time new processes: the import, the help, and one routing from cold."""
    command = [sys.executable, "-m", "callboard"]
    jobs = {
        "import callboard": [sys.executable, "-c", "import callboard"],
        "python alone": [sys.executable, "-c", "pass"],
        "callboard --help": [*command, "--help"],
        "callboard route, cold": [*command, "route", QUERIES[1], "--json"],
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, job in jobs.items():
            subprocess.run(job, cwd=folder, check=True, capture_output=True)  # fills caches
            took = []
            for _ in track(range(runs), name, console=Console(stderr=True), transient=True):
                started = time.perf_counter()
                subprocess.run(job, cwd=folder, check=True, capture_output=True)
                took.append(time.perf_counter() - started)
            rows.append({"name": name, "p50_ms": round(1000 * statistics.median(took), 1)})
    return rows


def warm_routing(agents: Path | None, queries: Path | None, runs: int) -> dict[str, Any]:
    """Time `Board.route_sync`, one query after the other."""
    asked = _lines(queries, "text") if queries else list(QUERIES)
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            database_url=f"sqlite:///{folder}/speed.db",
            bundled_agents=agents is None,
            router={"policy": "retrieval"},
        )
        with Board(settings) as board:
            for agent in _agents(agents):
                board.register(agent)
            took: list[float] = []
            inner: list[float] = []
            for number in range(runs + WARM_UP):
                started = time.perf_counter()
                decision = board.route_sync(asked[number % len(asked)])
                took.append(time.perf_counter() - started)
                inner.append(decision.latency_s)
            return {
                "name": "warm route",
                "agents": len(board.agents()),
                "runs": runs,
                **_percentiles("", took[WARM_UP:]),
                **_percentiles("decision_", inner[WARM_UP:]),
            }


def _percentiles(prefix: str, seconds: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=20)
    return {
        f"{prefix}p50_ms": round(1000 * statistics.median(seconds), 2),
        f"{prefix}p95_ms": round(1000 * cuts[18], 2),
    }


def _agents(path: Path | None) -> list[Agent]:
    if path is None:
        return []
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Agent(name=_slug(row["name"], number), description=_described(row))
        for number, row in enumerate(rows)
    ]


def _described(row: dict[str, str]) -> str:
    """Return the description, or where it says nothing the name in words."""
    text = row["description"]
    return text if len(text) >= MIN_DESCRIPTION else f"Handles {_slug(row['name'], 0)}."


def _slug(name: str, number: int) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")
    return f"{plain[:50]}_{number}"


def _lines(path: Path, key: str) -> list[str]:
    return [json.loads(line)[key] for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--agents", type=Path, metavar="FILE")
    parser.add_argument("--queries", type=Path, metavar="FILE")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    rows = [
        *start_up(max(3, arguments.runs // 20)),
        warm_routing(arguments.agents, arguments.queries, arguments.runs),
    ]
    if arguments.as_json:
        json.dump({"rows": rows}, sys.stdout)
        print()
        return
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
