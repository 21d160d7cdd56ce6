"""Two deployments that fail in every way: no turn is lost, and the ledger knows every call."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Reply

from callboard import Agent, Board
from callboard.config import Settings
from callboard.model_settings import DeploymentSettings, ModelSettings, PriceSettings
from callboard.store.ledger import Entry
from callboard.values import Run, Scope

pytestmark = [
    # LiteLLM ignores its own use of a deprecated pydantic attribute, but pytest resets its filter.
    pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning"),
    # What it has prepared and not begun when a call is cancelled it never awaits.
    pytest.mark.filterwarnings(
        "ignore:.*BaseLLMHTTPHandler:pytest.PytestUnraisableExceptionWarning"
    ),
]

TURNS = 2000
AT_ONCE = 25
SHARE = 0.2
RETRIES = 3
COST = Decimal("0.00014")
"""100 tokens at 1 and 20 at 2 dollars per million."""
FINE = Reply(text="All is well with you.", usage=(100, 20))
FAULTS = {
    "latency": Reply(text=FINE.text, usage=(100, 20), delay_s=0.3),
    "too many": Reply(status=429, headers={"Retry-After": "0.2"}),
    "failed": Reply(status=500),
    "overloaded": Reply(status=503),
    "reset in mid-stream": Reply(text=FINE.text, cut_after=2),
    "truncated at once": Reply(text=FINE.text, cut_after=0),
    "garbage": Reply(body=b"<html>It works!</html>"),
    "half a JSON": Reply(body=b'{"id": "x", "choices": [{"mess'),
    "half-open": Reply(delay_s=1.5, body=b""),
    "wrong usage": Reply(text=FINE.text, usage=(0, 0)),
    "no usage": Reply(text=FINE.text, usage=None),
    "slow drip": Reply(text=FINE.text, usage=(100, 20), piece_delay_s=0.1),
}


class Chaos:
    """A script: a fifth of what is asked goes wrong, by a draw that can be repeated."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._lock = threading.Lock()
        self.seen: Counter[str] = Counter()

    def __call__(self, request: object) -> Reply:
        with self._lock:
            name = self._draw.choice(list(FAULTS)) if self._draw.random() < SHARE else "fine"
            self.seen[name] += 1
        return FAULTS.get(name, FINE)


@pytest.fixture
def board(tmp_path: Path):
    chaos = Chaos(1), Chaos(2)
    with OpenAIServer(FINE) as first, OpenAIServer(FINE) as second:
        model = ModelSettings(
            model="hosted_vllm/tiny",
            price=PriceSettings(input_per_million=Decimal(1), output_per_million=Decimal(2)),
            timeout_s=1.0,
            retries=RETRIES,
            cooldown_s=0.5,
            deployments=(
                DeploymentSettings(name="first", api_base=first.url),
                DeploymentSettings(name="second", api_base=second.url, direct=True),
            ),
        )
        settings = Settings(
            database_url=f"sqlite:///{tmp_path / 'chaos.db'}",
            models={"main": model},
            memory={"enabled": False},
            refiner={"model": None},
        )
        with Board(settings, recover=False) as board:
            board.register(Agent(name="talker", description="Talks about anything at all."))
            yield board, (first, second), chaos


@pytest.mark.timeout(300)
def test_two_thousand_turns_among_faults(board) -> None:
    board, servers, chaos = board
    board.run_sync("hello", agents=["talker"])  # what is imported once is no leak
    for server, script in zip(servers, chaos, strict=True):
        server.script(script)
    before = _descriptors()

    async def turns() -> list[Run]:
        room = asyncio.Semaphore(AT_ONCE)

        async def turn(number: int) -> Run:
            async with room:
                asking = {"agents": ["talker"], "session": f"s{number}"}
                if number % 2:
                    return await board.run(f"hello {number}", **asking)
                run_id = await board.start(f"hello {number}", **asking)
                async for _ in board.events(run_id):
                    pass
                return await board.records.run(run_id)

        return await asyncio.gather(*(turn(number) for number in range(TURNS)))

    runs = asyncio.run(turns())
    ended = Counter(run.status for run in runs)
    assert set(ended) <= {"done", "failed"}
    assert sum(ended.values()) == TURNS
    for run in runs:
        if run.status == "done":
            assert run.answer == FINE.text
        else:  # an honest end, in words
            assert run.answer
            assert run.error
            assert "Traceback" not in run.error
    # Faults before the first word are tried elsewhere; those after it can't be.
    assert ended["done"] >= 0.9 * TURNS
    assert min(chaos[0].seen[name] + chaos[1].seen[name] for name in FAULTS) > 0
    _check_the_ledger(board, runs, servers)
    house = board._house
    going = house.loop.wait(_tasks())
    assert going == []
    assert all((one.requests, one.tokens) == (0, 0) for one in board.models.deployments_sync())
    # Connections are kept for the next call and shared, so their number does not grow with turns;
    # each counts twice here, because the servers are in this process.
    assert _descriptors() - before <= 4 * AT_ONCE


def _descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def _check_the_ledger(board: Board, runs: list[Run], servers: tuple[OpenAIServer, ...]) -> None:
    """Every request has a line, and a run costs what its lines add up to, or it is unknown."""
    arrived = Counter(_question(request) for server in servers for request in server.requests)
    lines: list[Entry] = []
    ledger = board._house.store.ledger
    for run in runs:
        scope = Scope(tenant="local", user="local", session=run.scope.session)
        entries = ledger.entries(scope, run.id)
        assert {entry.status for entry in entries} <= {"settled", "released", "unknown"}
        # All that arrived has a line. A line may have none that arrived, where the machine was too
        # slow to send it in time or the server had closed the connection, and is then not settled.
        assert arrived[run.query] <= len(entries) <= 1 + RETRIES
        settled = [entry.settled_usd for entry in entries if entry.settled_usd is not None]
        assert len(settled) <= arrived[run.query]
        assert set(settled) <= {COST}
        unknown = any(entry.status == "unknown" for entry in entries)
        assert run.cost_usd == (None if unknown else sum(settled, Decimal(0)))
        lines += entries
    assert sum(arrived.values()) - arrived["hello"] >= TURNS
    spent = board.records.spend_sync(user=None)
    count = Counter(entry.status for entry in lines)
    assert sum(one.known_usd for one in spent) == COST * (count["settled"] + 1)
    assert sum(one.unknown for one in spent) == count["unknown"]


def _question(request: dict[str, Any]) -> str:
    return str(request["messages"][-1]["content"])


async def _tasks() -> list[str]:
    """Return what still goes on on the Board's loop, but for what keeps it and LiteLLM going."""
    await asyncio.sleep(2)
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
    kept = ("_tasks", "Conductor", "House", "LoggingWorker", "Upkeep")
    return [name for name in names if not name.startswith(kept)]
