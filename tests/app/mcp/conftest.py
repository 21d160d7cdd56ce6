from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from pipeline_boards import ABLE, with_agents

from callboard import Agent, Board, ScriptedModel, Settings


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """Return a Board for all tests of a module: two quick agents, a slow one and one that fails."""
    settings = Settings(
        database_url=f"sqlite:///{tmp_path_factory.mktemp('mcp') / 'board.db'}",
        models={"main": ABLE},
        refiner={"model": None},
        router={"policy": "retrieval"},
    )
    model = ScriptedModel(lambda request: "From the model.")
    with Board(settings, models={"main": model}, recover=False) as made:
        with_agents(made)

        @made.agent(description="Sleeps for a very long time.")
        async def sleeper(query: str) -> str:
            await asyncio.sleep(600)
            return "Good morning."

        @made.agent(description="Fails whatever it is asked.")
        def broken(query: str) -> str:
            raise LookupError("the shelf is empty")

        made.register(Agent(name="writer", description="Writes letters to customers."))
        yield made
