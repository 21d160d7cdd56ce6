"""Measures a router on a public data set: a Board, its agents, and every query through `route`.

In scope TCAR's rule holds, which knows no rejection: the guard lets everything in, and what it
would have done is computed from the score that every decision tells. The one knob, the probability
from which an agent is called, is chosen on the validation queries so that sets have TCAR's size.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from math import nextafter
from pathlib import Path
from typing import Any, TypeAlias

from ..agents.spec import Agent
from ..board import Board
from ..config import Policy, Reading, RouterSettings, load_settings
from ..models.chat import ChatModel
from ..router.selection import probable
from ..values import JSON, Decision
from .metrics import mean
from .routing_report import Findings, Routed, figures
from .sets import Labelled, RoutingSet, Shots, with_examples

Progress: TypeAlias = Callable[[str, int, int], None]
"""Is told what is done now, how many queries of it are done, and how many there are."""

SET_SIZE = 1.37
"""Agents per query, on average. Source: TCAR, arXiv 2601.04544."""
COVERAGES = (0.90, 0.95, 0.99)
COVERAGE_AGENTS = 10
"""The most agents of a set where a coverage is promised."""
WARM_UP = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is measured, and how.

    `config` is the settings file that the models come from, `models` stand in their place;
    `model` is the name of the one that judges, `reading` how it is read; `parallel` queries are
    under way at a time.
    """

    shots: Shots = 0
    policy: Policy = "retrieval"
    model: str = "main"
    reading: Reading = "reason"
    limit: int | None = None
    parallel: int = 1
    config: Path | None = None
    models: Mapping[str, ChatModel] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The figures as JSON (see `routing_report.figures`), and every decision behind them."""

    figures: dict[str, JSON]
    test: tuple[Routed, ...]


def measure(
    routing_set: RoutingSet, setup: Setup, progress: Progress = lambda what, done, total: None
) -> Measured:
    """Route all validation and test queries of a set, and return what was found.

    Raises:
        CallboardError: the set has no examples and some are wanted, or the settings are wrong.
    """
    agents = with_examples(routing_set, setup.shots)
    if setup.limit is not None:
        routing_set = routing_set.limited(setup.limit)
    with tempfile.TemporaryDirectory(prefix="callboard-bench-") as folder:
        house = House(Path(folder) / "bench.db", agents, setup, progress)
        found = _measure(routing_set, house, setup)
        coverage = measure_coverage(house, routing_set.test, setup.shots)
    return Measured(
        figures={
            "set": routing_set.name,
            "shots": setup.shots,
            "policy": setup.policy,
            "model": None if setup.policy == "retrieval" else setup.model,
            "agents": len(agents),
            "limit": setup.limit,
            **figures(found),
            "coverage": coverage,
        },
        test=found.test,
    )


def choose_least(decisions: Sequence[Decision], *, most: int, size: float = SET_SIZE) -> float:
    """Return the least probability of an agent whose sets have a mean size of at most `size`.

    Nothing is routed again: a set changes only where the least passes a score of a candidate.
    Nearly 1 where no sets are as small: queries of several wishes call one agent for each.
    """
    scores = (score for one in decisions for score in _scores(one))
    places = sorted({*(score for score in scores if 0 < score < 1), nextafter(1.0, 0.0)})

    def fits(least: float) -> bool:
        return (mean_set_size(decisions, least, most) or 0.0) <= size

    return places[min(bisect_left(places, True, key=fits), len(places) - 1)]


def mean_set_size(decisions: Sequence[Decision], least: float, most: int) -> float | None:
    """Return the mean size of the sets that another least probability would have given.

    From the candidates; None of nothing. A query of several wishes calls one agent for each.
    """
    return mean(
        len(one.agents) if one.parts else len(probable(_scores(one), least=least)[:most])
        for one in decisions
    )


def _scores(decision: Decision) -> list[float]:
    return [one.score for one in decision.candidates]


def measure_coverage(
    house: House, test: Sequence[Labelled], shots: Shots
) -> dict[str, JSON] | None:
    """Return how often the right agents are called where the settings promise a coverage.

    None without examples, from which the promise is calibrated.
    """
    if shots == 0:
        return None
    from .routing_report import coverage_figures

    found: dict[str, JSON] = {}
    for share in COVERAGES:
        router = {"coverage": share, "max_agents": COVERAGE_AGENTS, "policy": "retrieval"}
        with house.board(router) as board:
            routed = house.ask(board, f"coverage {share:.2f}", test)
        found[f"{share:.2f}"] = coverage_figures(routed)
    return found


def _measure(routing_set: RoutingSet, house: House, setup: Setup) -> Findings:
    by_retrieval = {"policy": "retrieval"}
    with house.board(by_retrieval) as board:
        valid = house.ask(board, "validation", routing_set.valid)
    usual = RouterSettings()
    most = usual.max_agents
    decided = [one.decision for one in valid]
    needed = mean(len(one.asked.labels) for one in valid) or 0.0
    size = max(SET_SIZE, needed)
    least = choose_least(decided, most=most, size=size) if decided else usual.min_probability
    router = {"policy": setup.policy, "min_probability": least}
    with house.board(router) as board:
        house.warm_up(board, routing_set.valid)
        before = house.calls()
        test = house.ask(board, "test", routing_set.test)
        calls = house.calls() - before
        two_label = house.ask(board, "two labels", routing_set.two_label)
    outside = [Labelled(query=query, labels=frozenset()) for query in routing_set.oos_test]
    oos: tuple[Routed, ...] = ()
    if outside:
        with house.board({**by_retrieval, "min_probability": least}) as board:
            oos = house.ask(board, "out of scope", outside, offered=routing_set.offered)
    return Findings(
        min_probability=least,
        valid_queries=len(valid),
        valid_set_size=mean_set_size(decided, least, most),
        test=test,
        two_label=two_label,
        oos=oos,
        llm_calls=calls,
    )


class House:
    """Opens Boards with the same agents on one database, and asks them."""

    def __init__(
        self,
        database: Path,
        agents: Sequence[Agent],
        setup: Setup,
        progress: Progress = lambda what, done, total: None,
    ) -> None:
        self._database = database
        self._agents = agents
        self._names = frozenset(agent.name for agent in agents)
        self._setup = setup
        self._progress = progress

    @contextmanager
    def board(self, router: Mapping[str, Any]) -> Iterator[Board]:
        """Open a Board whose guard lets everything in; nothing of the user's router settings."""
        chosen = RouterSettings(
            model=self._setup.model, reading=self._setup.reading, guard_threshold=0
        ).model_dump()
        settings = load_settings(
            self._setup.config,
            database_url=f"sqlite:///{self._database}",
            bundled_agents=False,
            memory={"enabled": False},
            router={**chosen, **router},
        )
        with Board(settings, models=self._setup.models) as board:
            board.register_all(self._agents)
            board.prepare_sync()
            yield board

    def ask(
        self,
        board: Board,
        what: str,
        queries: Sequence[Labelled],
        *,
        offered: Mapping[str, frozenset[str]] | None = None,
    ) -> tuple[Routed, ...]:
        """Route all queries; one with a key in `offered` may call those agents and no others."""
        done = 0

        async def route(one: Labelled, gate: asyncio.Semaphore) -> Routed:
            nonlocal done
            only = (offered or {}).get(one.query)
            exclude = self._names - only if only else ()
            async with gate:
                started = time.perf_counter()
                decision = await board.route(one.query, history=one.history, exclude=exclude)
                took = time.perf_counter() - started
            done += 1
            self._progress(what, done, len(queries))
            return Routed(asked=one, decision=decision, latency_s=took)

        async def route_all() -> list[Routed]:
            gate = asyncio.Semaphore(self._setup.parallel)
            return await asyncio.gather(*(route(one, gate) for one in queries))

        return tuple(asyncio.run(route_all()))

    def warm_up(self, board: Board, queries: Iterable[Labelled]) -> None:
        """Route a few queries that do not count; where models are asked, two."""
        few = WARM_UP if self._setup.policy == "retrieval" else 2
        self.ask(board, "warming up", tuple(queries)[:few])

    def calls(self) -> int:
        """Return how many calls of models the Boards have made so far."""
        with closing(sqlite3.connect(self._database)) as connection:
            return int(connection.execute("SELECT COUNT(*) FROM ledger").fetchone()[0])
