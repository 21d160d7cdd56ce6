"""Limits that runs share, over whole turns and a real endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Reply

from callboard import Agent, Board
from callboard.agents.spec import AgentLimits
from callboard.config import Settings
from callboard.model_settings import ModelSettings, PriceSettings

# LiteLLM ignores its own use of a deprecated pydantic attribute, but pytest resets its filter.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

COST = Decimal("0.0001")
PER_TOKEN = PriceSettings(input_per_million=Decimal(0), output_per_million=Decimal(1))
"""A reply of at most 100 tokens, and the server tells 100: it costs what is set aside for it."""


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(Reply(text="Fine.", usage=(10, 100), delay_s=0.02)) as server:
        yield server


def board_on(server: OpenAIServer, folder: Path, **limits: Any) -> Board:
    settings = Settings(
        database_url=f"sqlite:///{folder / 'b.db'}",
        models={
            "main": ModelSettings(
                model="hosted_vllm/tiny", api_base=server.url, price=PER_TOKEN, retries=0
            )
        },
        memory={"enabled": False},
        refiner={"model": None},
        limits=limits,
    )
    board = Board(settings, recover=False)
    for name in ("talker", "singer"):
        board.register(
            Agent(
                name=name,
                description=f"The {name}, about anything at all.",
                limits=AgentLimits(
                    max_tokens=100, daily_usd=2 * COST if name == "singer" else None
                ),
            )
        )
    return board


def test_two_hundred_turns_at_once_on_a_budget_for_ten(server, tmp_path) -> None:
    with board_on(server, tmp_path, user_daily_usd=10 * COST) as board:

        async def turns() -> list[Any]:
            return await asyncio.gather(
                *(board.run(f"hello {number}", agents=["talker"]) for number in range(200))
            )

        runs = asyncio.run(turns())
        done = [run for run in runs if run.status == "done"]
        assert len(done) == len(server.requests) == 10
        refused = next(run for run in runs if run.status != "done")
        assert "of the user's daily 0.001" in refused.answer
        assert sum(one.known_usd for one in board.records.spend_sync()) == 10 * COST
        assert board.run_sync("hello", agents=["talker"], user="someone else").status == "done"


def test_over_the_limit_a_turn_gives_what_it_has_and_says_so(server, tmp_path) -> None:
    with board_on(server, tmp_path) as board:
        for _ in range(2):
            assert board.run_sync("sing", agents=["singer"]).status == "done"
        run = board.run_sync("sing and talk", agents=["singer", "talker"])
        assert run.status == "done"
        assert "Fine." in run.answer
        assert "singer could not answer" in run.answer
        assert "daily" in run.answer
        assert run.cost_usd == COST


def test_the_limit_of_a_session(server, tmp_path) -> None:
    with board_on(server, tmp_path, session_usd=COST) as board:
        assert board.run_sync("hello", agents=["talker"], session="s").status == "done"
        assert "the session's" in board.run_sync("more", agents=["talker"], session="s").answer
        assert board.run_sync("hello", agents=["talker"], session="t").status == "done"


@pytest.mark.parametrize("deep", [1, 2])
def test_runs_that_an_agent_begins_draw_on_the_money_of_the_run_that_called_it(
    deep, server, tmp_path
) -> None:
    with board_on(server, tmp_path) as board:
        ends = []

        async def ask_around(query: str) -> str:
            asking = {"user": "someone else", "agents": ["talker"]}
            runs = await asyncio.gather(*(board.run(query, **asking) for _ in range(20)))
            ends.extend(run.status for run in runs)
            return "Asked around."

        board.agent(name="manager", description="Asks others around, twenty at a time.")(ask_around)
        agents = ["manager"]
        if deep == 2:

            def delegate(query: str) -> str:
                return board.run_sync(query, agents=["manager"], budget_usd=7 * COST).answer

            board.agent(name="boss", description="Lets the manager do what there is to do.")(
                delegate
            )
            agents = ["boss"]
        run = board.run_sync("what do they say?", agents=agents, budget_usd=5 * COST)
        assert (run.status, run.answer) == ("done", "Asked around.")
        assert (ends.count("done"), len(server.requests)) == (5, 5)
        kept = board.records.runs_sync(user=None).runs
        refused = [one for one in kept if one.status == "failed"]
        assert len(refused) == 15
        answer = board.records.run_sync(refused[0].id, user=None).answer
        assert "0 of the money of the run that called this one's agent, 0.0005 USD" in answer
        # Its own budget is another run's business again.
        assert board.run_sync("hello", agents=["talker"], budget_usd=COST).status == "done"
