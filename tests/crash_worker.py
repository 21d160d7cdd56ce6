"""A worker of the crash test: a Board that accepts what it is sent, and carries what there is."""

from __future__ import annotations

import time
from decimal import Decimal
from multiprocessing.connection import Connection
from typing import Any

from callboard import Agent, Board, CallboardError, Settings, StoreError
from callboard.model_settings import ModelSettings, PriceSettings

AGENTS = ("alpha", "beta")
MERGER = "merger"


def crash_board(url: str, server: str, **limits: Any) -> Board:
    """Return a Board with a model of its own for each agent, and for the refiner."""

    def model(name: str) -> ModelSettings:
        return ModelSettings(
            model=f"openai/{name}",
            api_base=server,
            direct=True,
            retries=0,
            price=PriceSettings(input_per_million=Decimal(1), output_per_million=Decimal(2)),
        )

    return Board(
        Settings(
            database_url=url,
            models={name: model(name) for name in ("main", MERGER, *AGENTS)},
            refiner={"model": MERGER},
            limits=limits,
        )
    )


def register(board: Board) -> None:
    board.register_all(
        [
            Agent(name=name, description=f"Answers the {name} part of a question.", model=name)
            for name in AGENTS
        ]
    )


def work(url: str, server: str, limits: dict[str, Any], orders: Connection) -> None:
    """Say that it is ready; then answer each query with the run's id, or None if refused."""
    with crash_board(url, server, **limits) as board:
        while True:  # as a supervisor would: a worker that begins while the database is down
            try:
                board.prepare_sync(learn=False)
                break
            except StoreError as error:
                if not error.transient:
                    raise
                time.sleep(0.2)
        orders.send("ready")
        while True:
            try:
                query = orders.recv()
            except EOFError:
                return
            try:
                run_id = board.start_sync(query, user=query, agents=AGENTS, budget_usd=1)
            except CallboardError:
                run_id = None
            orders.send(run_id)
