"""A real database, a pool of threads, and a folder from which modules can be imported."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from platformdirs import user_cache_dir

from callboard.agents.mcp.servers import ToolServers
from callboard.agents.registry import Registered
from callboard.agents.runner import AgentRunner
from callboard.agents.spec import Agent
from callboard.agents.tools import Approver
from callboard.codec import from_json, to_json
from callboard.errors import CallboardError
from callboard.model_settings import ModelSettings
from callboard.models.chat import ChatReply, ChatRequest
from callboard.models.gateway import Gateway
from callboard.models.journal import Journal, OnText
from callboard.models.prices import PriceBook
from callboard.models.scripted import ScriptedModel
from callboard.search.encoder import Encoder
from callboard.search.encoders import load_encoder
from callboard.store.engine import Store
from callboard.values import JSON, AgentResult, AgentTask, Reservation, Scope, Usage


@pytest.fixture
def scope() -> Scope:
    return Scope()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'agents.db'}")
    yield opened
    opened.close()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def task(scope: Scope) -> AgentTask:
    return AgentTask(run_id="r1", agent="helper", scope=scope, query="What is 2 + 2?")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Write a module that can be imported by its name during one test."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    written: list[str] = []

    def write(name: str, source: str) -> None:
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
        written.append(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """MiniLM, from where Callboard keeps it."""
    return load_encoder("minilm", Path(user_cache_dir("callboard")))


class KeptJournal:
    """A journal in memory that replays what is done, as that of a run does after a crash."""

    def __init__(self, gateway: Gateway, kept: dict[str, JSON] | None = None, at: str = "") -> None:
        self._gateway = gateway
        self.kept: dict[str, JSON] = {} if kept is None else kept
        self.cut_off: set[str] = set()
        self._at = at

    async def once(
        self,
        key: str,
        name: str,
        work: Callable[[Journal], Awaitable[Any]],
        *,
        returns: Any,
        agent: str | None = None,
        repeatable: bool = True,
    ) -> Any:
        path = f"{self._at}/{key}"
        if path in self.cut_off and not repeatable:
            raise CallboardError(f"{name} was begun before")
        if path not in self.kept:
            result = await work(KeptJournal(self._gateway, self.kept, path))
            self.kept[path] = to_json(result, returns)
        return from_json(returns, self.kept[path])

    async def ask(
        self, model: str, request: ChatRequest, *, key: str, on_text: OnText | None = None
    ) -> ChatReply:
        async def work(_: Journal) -> ChatReply:
            return await self._gateway.ask(model, request, meter=Unmetered(), on_text=on_text)

        reply: ChatReply = await self.once(key, "model", work, returns=ChatReply)
        return reply


class Unmetered:
    """Lets every call through."""

    async def reserve(self, amount_usd: Decimal | None, *, model: str) -> Reservation:
        return Reservation(id="r", amount_usd=amount_usd)

    async def settle(self, reservation: Reservation, usage: Usage) -> None: ...

    async def release(self, reservation: Reservation) -> None: ...


class Scripted:
    """A gateway to one scripted model, and a runner on it."""

    def __init__(
        self,
        replies: Sequence[Any],
        threads: ThreadPoolExecutor,
        encoder: Encoder,
        approver: Approver | None = None,
        settings: ModelSettings | None = None,
        delay_s: float = 0.0,
        servers: ToolServers | None = None,
    ) -> None:
        self.model = ScriptedModel(replies, delay_s=delay_s)
        self.gateway = Gateway(
            {"main": settings or ModelSettings(model="openai/scripted")},
            prices=PriceBook(),
            cache_dir=Path("cache"),
            replacements={"main": self.model},
        )
        self.journal = KeptJournal(self.gateway)
        self.runner = AgentRunner(
            gateway=self.gateway,
            encoder=encoder,
            threads=threads,
            approver=approver,
            servers=servers,
        )

    async def run(
        self, agent: Agent, *, function: Any = None, on_text: OnText | None = None, **task: Any
    ) -> AgentResult:
        asked = AgentTask(
            **{
                "run_id": "r1",
                "agent": agent.name,
                "scope": Scope(),
                "query": "How much is my bill?",
                **task,
            }
        )
        registered = Registered(agent=agent, version=1, state="live", function=function)
        return await self.runner.run(registered, asked, self.journal, on_text=on_text)


@pytest.fixture
def scripted(threads: ThreadPoolExecutor, encoder: Encoder) -> Callable[..., Scripted]:
    def make(*replies: Any, **settings: Any) -> Scripted:
        return Scripted(replies, threads, encoder, **settings)

    return make
