"""Asks a Board the rows of an item: what a worker of a batch does, in any process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from ...codec import to_json
from ...errors import CallboardError, ConfigurationError, StoreError
from ...values import JSON, Decision, Run
from ..loop import LoopThread

LEFT_OUT = ("agents", "latency_s", "cost_usd", "registry_version", "budget_usd")
"""Of a decision: what stands beside it, and what says nothing about the query."""


class Asked(Protocol):
    """The part of a Board that a batch needs."""

    def prepare_sync(self, *, answer: bool) -> None:
        """Get ready, so that the first query is routed as the last one."""

    @property
    def run(self) -> Callable[..., Awaitable[Run]]:
        """Answers."""

    @property
    def route(self) -> Callable[..., Awaitable[Decision]]:
        """Decides."""

    def close(self) -> None:
        """Stop."""


class Asker:
    """Asks `at_once` queries at a time, or with `route` only who would be called for them."""

    def __init__(self, board: Asked, *, route: bool, at_once: int) -> None:
        board.prepare_sync(answer=not route)
        self._board = board
        self._route = route
        self._gate = asyncio.Semaphore(at_once)
        self._loop = LoopThread("callboard-batch")

    def __call__(self, item: Sequence[Mapping[str, JSON]]) -> list[JSON]:
        """Return what came of every row, in their order.

        Raises:
            StoreError, ConfigurationError: no row can be asked.
        """
        return self._loop.wait(self._ask_all(item))

    def close(self) -> None:
        """Give up what is under way, and close the Board."""
        self._loop.stop()
        self._board.close()

    async def _ask_all(self, item: Sequence[Mapping[str, JSON]]) -> list[JSON]:
        before: dict[tuple[JSON, JSON], asyncio.Task[JSON]] = {}
        asked = []
        for row in item:
            talk = (row.get("user"), row.get("session"))
            task = asyncio.create_task(self._ask(row, before.get(talk)))
            if talk[1] is not None:
                before[talk] = task
            asked.append(task)
        return await asyncio.gather(*asked)

    async def _ask(self, row: Mapping[str, JSON], before: asyncio.Task[JSON] | None) -> JSON:
        if before is not None:
            await asyncio.wait([before])
        if "error" in row:
            return _failed(row["error"])
        async with self._gate:
            try:
                return await (self._decided(row) if self._route else self._answered(row))
            except (StoreError, ConfigurationError):
                raise
            except CallboardError as error:
                return _failed(str(error))

    async def _answered(self, row: Mapping[str, JSON]) -> JSON:
        run = await self._board.run(**row)
        failed = run.status != "done"
        return {
            "answer": None if failed else run.answer,
            "agents": list(run.decision.agents) if run.decision else [],
            "run": run.id,
            **_cost(run.cost_usd, run.known_cost_usd),
            "latency_s": run.latency_s,
            "error": (run.error or f"The run is {run.status}.") if failed else None,
        }

    async def _decided(self, row: Mapping[str, JSON]) -> JSON:
        decision = await self._board.route(**row)
        told = to_json(decision)
        return {
            "decision": {name: told[name] for name in told if name not in LEFT_OUT},
            "agents": list(decision.agents),
            **_cost(decision.cost_usd, decision.cost_usd or Decimal(0)),
            "latency_s": round(decision.latency_s, 6),
            "error": None,
        }


def _cost(cost_usd: Decimal | None, known_usd: Decimal) -> dict[str, JSON]:
    return {
        "cost_usd": None if cost_usd is None else float(cost_usd),
        "known_cost_usd": float(known_usd),
    }


def _failed(why: JSON) -> JSON:
    return {"agents": [], **_cost(Decimal(0), Decimal(0)), "latency_s": 0.0, "error": why}
