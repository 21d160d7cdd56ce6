"""How long does routing take at ten agents, and at a hundred thousand?

    python -m callboard.benchmarks.routing_speed --data DIR [--sizes 10,100,...] [--queries N]
        [--threads N] [--database FILE] [--semantic-router PYTHON] [--json]

The agents are those of public catalogues (`benchmarks/sets/catalogue.py`), the queries those of
CLINC150. One process, on as many cores as `--threads` says, when all is learned, one query after
the other: each as one that was never seen (fresh), and at once again (remembered). Then one agent
more, and the first route after it; then 32 callers at once, while the event loops are watched: the
Board's and the callers'. `--database` keeps the vectors of agents, which take long the first time.
Another Python may run semantic-router on the same texts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.resources import as_file, files
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..agents.spec import Agent
from ..board import Board
from ..config import RouterSettings, load_settings
from ..errors import CallboardError, ConfigurationError, InvalidInput
from .machine import describe_machine
from .metrics import quantile
from .sets import load_set
from .sets.catalogue import distractors

SIZES = (10, 100, 150, 1000, 10_000, 15_000, 100_000)
NEWCOMERS = 20
NEWCOMERS_S = 60.0
"""Once this time is over no further agent is registered."""
CALLERS = 32
CROWD_S = 10.0
TICK_S = 0.005
"""How often the event loop is asked whether it still turns."""


def measure(
    agents: Sequence[Agent],
    texts: Sequence[Sequence[str]],
    sizes: Sequence[int],
    database: Path,
    progress: Callable[[str], None],
    *,
    crowd_s: float = CROWD_S,
) -> list[dict[str, Any]]:
    """Return a row per size; `texts` are the queries of each, all different."""
    settings = load_settings(
        database_url=f"sqlite:///{database}",
        bundled_agents=False,
        memory={"enabled": False},
        router=RouterSettings(policy="retrieval").model_dump(),
    )
    rows = []
    for size, queries in zip(sizes, texts, strict=True):
        with _only(agents[:size], settings, progress) as (board, registered_s, ready_s):
            progress(f"{size:,} agents: routing")
            asked = [(_route(board, query), _route(board, query)) for query in queries]
            rows.append(
                {
                    "agents": size,
                    "register_all_s": round(registered_s, 3),
                    "first_route_s": round(ready_s, 3),
                    **_percentiles("fresh", [fresh for fresh, _ in asked]),
                    **_percentiles("remembered", [again for _, again in asked]),
                    **_newcomers(board, agents[0], size, queries[0], progress),
                    **_crowd(board, queries, size, crowd_s, progress),
                }
            )
    return rows


@contextmanager
def _only(
    agents: Sequence[Agent], settings: Any, progress: Callable[[str], None]
) -> Iterator[tuple[Board, float, float]]:
    """Open a Board with these agents alone, ready to route; tell how long that took."""
    with Board(settings) as board:
        names = {agent.name for agent in agents}
        for one in board.agents():
            if one.agent.name not in names:
                board.unregister(one.agent.name)
        progress(f"{len(agents):,} agents: registering")
        started = time.perf_counter()
        board.register_all(agents)
        registered = time.perf_counter()
        progress(f"{len(agents):,} agents: embedding what is new of them")
        board.route_sync("Get ready, please.")
        routed = time.perf_counter()
        board.prepare_sync()
        yield board, registered - started, routed - registered


def _route(board: Board, query: str) -> float:
    started = time.perf_counter()
    board.route_sync(query)
    return 1000 * (time.perf_counter() - started)


def _newcomers(
    board: Board, like: Agent, size: int, query: str, progress: Callable[[str], None]
) -> dict[str, float | None]:
    """Register one agent more, again and again; the next route sees it."""
    registered: list[float] = []
    routed: list[float] = []
    end = time.perf_counter() + NEWCOMERS_S
    for number, text in enumerate(newcomer_texts()):
        if time.perf_counter() > end:
            break
        progress(f"{size:,} agents: newcomer {number + 1} of {NEWCOMERS}")
        agent = like.model_copy(update={"name": f"newcomer_{number}", "description": text})
        started = time.perf_counter()
        board.register(agent)
        registered.append(1000 * (time.perf_counter() - started))
        routed.append(_route(board, query))
    for number in range(len(registered)):
        board.unregister(f"newcomer_{number}")
    return {
        "newcomers": len(registered),
        "register_one_ms": round(quantile(sorted(registered), 0.5), 3),
        "next_route_ms": round(quantile(sorted(routed), 0.5), 3),
    }


def newcomer_texts() -> list[str]:
    """Return the descriptions of the agents that are registered one by one."""
    return [f"Knows all about number {number} and its neighbours." for number in range(NEWCOMERS)]


def _crowd(
    board: Board, queries: Sequence[str], size: int, crowd_s: float, progress: Callable[[str], None]
) -> dict[str, float | None]:
    """Let many callers ask at once, and watch the event loops meanwhile."""
    progress(f"{size:,} agents: {CALLERS} callers at once")
    board.prepare_sync()
    return asyncio.run(_watched(board, queries, crowd_s))


async def _watched(board: Board, queries: Sequence[str], crowd_s: float) -> dict[str, float | None]:
    end = time.perf_counter() + crowd_s
    took: list[float] = []

    async def call(caller: int) -> None:
        number = 0
        while (started := time.perf_counter()) < end:
            # A number makes every text a new one, so that each has to be encoded.
            await board.route(f"{queries[number % len(queries)]} {caller} {number}")
            took.append(1000 * (time.perf_counter() - started))
            number += 1

    async def watch() -> list[float]:
        late = []
        while (started := time.perf_counter()) < end:
            await asyncio.sleep(TICK_S)
            late.append(1000 * (time.perf_counter() - started - TICK_S))
        return late

    # The Board works on a loop of its own, which no method gives away: it is the one to watch.
    inside = asyncio.create_task(board._house.loop.wait_async(watch()))
    outside = asyncio.create_task(watch())
    await asyncio.gather(*map(call, range(CALLERS)))
    return {
        "loop_lag_p99_ms": _at(await inside, 0.99),
        "caller_lag_p99_ms": _at(await outside, 0.99),
        "crowd_queries_per_s": round(len(took) / crowd_s, 1),
        "crowd_p50_ms": _at(took, 0.50),
        "crowd_p99_ms": _at(took, 0.99),
    }


def measure_peer(
    python: str,
    agents: Sequence[Agent],
    texts: Sequence[Sequence[str]],
    sizes: Sequence[int],
    threads: int,
    progress: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Have another Python run semantic-router on the same texts.

    Raises:
        ConfigurationError: it can't.
    """
    progress("semantic-router")
    job = {
        "agents": [[agent.name, agent.description] for agent in agents],
        "sizes": list(sizes),
        "queries": [list(queries) for queries in texts],
        "newcomers": newcomer_texts(),
        "threads": threads,
    }
    script = files(__package__).joinpath("peers/semantic_router.py")
    with tempfile.TemporaryDirectory() as folder, as_file(script) as path:
        file = Path(folder) / "job.json"
        file.write_text(json.dumps(job), encoding="utf-8")
        # Alone (-I), so that the script's own name does not hide the library.
        command = [python, "-I", str(path), str(file)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise ConfigurationError(f"{python!r} can't be run: {error}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ConfigurationError(
            f"semantic-router did not run under {python!r}: {last}. Install there what "
            "benchmarks/peers/semantic_router.py names."
        )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def many_agents(data: Path, most: int) -> list[Agent]:
    """Return `most` agents: tools, then packages, then editions of both where those run out."""
    found = list(islice(distractors(data, taken=set()), most))
    edition = 2
    while len(found) < most:
        again = islice(distractors(data, taken=set()), most - len(found))
        found += [
            one.model_copy(
                update={
                    "name": f"e{edition}_{number}_{one.name}"[:64],
                    "description": f"Edition {edition}. {one.description}"[:4000],
                }
            )
            for number, one in enumerate(again)
        ]
        edition += 1
    return found


def many_queries(data: Path, sizes: int, each: int) -> list[list[str]]:
    """Return `each` queries for every size, none twice."""
    test = list(dict.fromkeys(one.query for one in load_set(data, "clinc150").test))
    random.Random(0).shuffle(test)
    if len(test) < sizes * each:
        raise InvalidInput(
            f"{sizes} sizes with {each} queries each need {sizes * each:,} queries, and there are "
            f"{len(test):,}. Ask for fewer with --queries."
        )
    return [test[start * each : (start + 1) * each] for start in range(sizes)]


def _percentiles(name: str, took: Sequence[float]) -> dict[str, float | None]:
    return {f"{name}_p50_ms": _at(took, 0.50), f"{name}_p95_ms": _at(took, 0.95)}


def _at(values: Sequence[float], share: float) -> float | None:
    return round(quantile(sorted(values), share), 3) if values else None


def _use_cores(threads: int) -> None:
    """Keep this process, and those that it starts, to so many cores."""
    if hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _table(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """Return a table with a column per size."""
    table = Table(title, box=None)
    for row in rows:
        table.add_column(f"{row['agents']:,}", justify="right")
    for name in list(rows[0])[1:]:
        values = ("-" if row[name] is None else f"{row[name]}" for row in rows)
        table.add_row(name.replace("_", " "), *values)
    return table


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), metavar="N,N")
    parser.add_argument("--queries", type=int, default=200, help="per size", metavar="N")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--crowd-seconds", type=float, default=CROWD_S, metavar="S")
    parser.add_argument("--database", type=Path, metavar="FILE", help="keeps vectors of agents")
    parser.add_argument("--semantic-router", metavar="PYTHON", help="a Python that has it")
    parser.add_argument("--json", action="store_true", dest="as_json", help="no table")
    return parser.parse_args()


def main() -> None:
    """Print what was measured: one JSON object, and a table on stderr."""
    arguments = _parse()
    try:
        found = _measure_all(arguments)
    except CallboardError as error:
        sys.exit(f"Error: {error}")
    json.dump(found, sys.stdout)
    print()
    if not arguments.as_json:
        console = Console(stderr=True)
        console.print(_table("Callboard", found["rows"]))
        if found["semantic_router"]:
            console.print(_table("semantic-router", found["semantic_router"]))


def _measure_all(arguments: argparse.Namespace) -> dict[str, Any]:
    _use_cores(arguments.threads)
    sizes = sorted({int(size) for size in arguments.sizes.split(",")})
    agents = many_agents(arguments.data, sizes[-1])
    texts = many_queries(arguments.data, len(sizes), arguments.queries)
    bar = Progress(console=Console(stderr=True), transient=True)
    with bar, tempfile.TemporaryDirectory() as folder:
        task = bar.add_task("", total=None)

        def tell(what: str) -> None:
            bar.update(task, description=what)

        database = arguments.database or Path(folder) / "speed.db"
        rows = measure(agents, texts, sizes, database, tell, crowd_s=arguments.crowd_seconds)
        peer = None
        if arguments.semantic_router:
            peer = measure_peer(
                arguments.semantic_router, agents, texts, sizes, arguments.threads, tell
            )
    return {
        "threads": arguments.threads,
        "machine": describe_machine(),
        "rows": rows,
        "semantic_router": peer,
    }


if __name__ == "__main__":
    main()
