"""A memory on a real database, with an encoder that is quick and a journal that can be read."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import make_url

from callboard.codec import from_json, to_json
from callboard.config import MemorySettings
from callboard.memory.archive import Archive
from callboard.memory.embedding import Embedder
from callboard.memory.modules.words import stems
from callboard.memory.recall import Recall
from callboard.models.chat import ChatReply, ChatRequest
from callboard.models.journal import Journal, OnText
from callboard.models.scripted import ScriptedModel
from callboard.router.budget import CallerPolicy, FixedPolicy
from callboard.search.encoder import Reading
from callboard.store.engine import Store
from callboard.values import JSON, Exchange, Memo, MemoryBudget, Scope, TierPolicy

T = TypeVar("T")


class WordEncoder:
    """Embeds a text by the words in it: the same words, the same vector."""

    def __init__(self, dim: int = 256, salt: str = "") -> None:
        self.name = f"words-{dim}{salt}"
        self.dim = dim
        self.salt = salt
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded += texts
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in stems(text):
                row[zlib.crc32((self.salt + word).encode()) % self.dim] += 1
            row[0] += 0.01
            row /= np.linalg.norm(row)
        return vectors

    async def aencode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.encode(texts)

    def read(self, texts: Sequence[str]) -> list[Reading]:
        words = [sorted(stems(text)) for text in texts]
        return [
            Reading(
                vector=vector,
                tokens=self.encode(found) if found else np.zeros((0, self.dim), np.float32),
                ids=np.array([zlib.crc32(word.encode()) % 100_000 for word in found], np.int64),
            )
            for vector, found in zip(self.encode(texts), words, strict=True)
        ]

    async def aread(self, texts: Sequence[str]) -> list[Reading]:
        return self.read(texts)

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def count_many(self, texts: Sequence[str]) -> list[int]:
        return [self.count_tokens(text) for text in texts]


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Record:
    """A journal that keeps what each step gave, as JSON, and gives it back when asked again."""

    steps: dict[str, JSON] = field(default_factory=dict)
    model: ScriptedModel | None = None
    asked: list[tuple[str, ChatRequest]] = field(default_factory=list)

    async def once(
        self,
        key: str,
        name: str,
        work: Callable[[Journal], Awaitable[T]],
        *,
        returns: Any,
        agent: str | None = None,
        repeatable: bool = True,
    ) -> T:
        if key not in self.steps:
            self.steps[key] = to_json(await work(self), returns)
        value: T = from_json(returns, self.steps[key])
        return value

    async def ask(
        self, model: str, request: ChatRequest, *, key: str, on_text: OnText | None = None
    ) -> ChatReply:
        assert self.model is not None, "No rule asks a model."
        self.asked.append((model, request))
        return await self.model.complete(request)


@dataclass
class Desk:
    """A memory and everything that it is made of."""

    store: Store
    encoder: WordEncoder
    clock: Clock
    archive: Archive
    memory: Recall

    async def recall(
        self,
        query: str,
        scope: Scope | None = None,
        *,
        journal: Record | None = None,
        budget: MemoryBudget = "auto",
        policy: TierPolicy | None = None,
        told: Sequence[str] = (),
    ) -> Memo:
        return await self.memory.memo(
            scope or Scope(),
            query,
            self.encoder.encode([query])[0],
            budget=budget,
            policy=policy or CallerPolicy(FixedPolicy()),
            journal=journal or Record(),
            history=[Exchange(run_id=run_id, query="", answer="") for run_id in told],
        )


def desk(store: Store, *, clock: Clock | None = None, **settings: Any) -> Desk:
    encoder, clock = WordEncoder(), clock or Clock()
    if store.stacks is not None:
        settings = {"in_process_chunks": 0, **settings}
    embedder = Embedder(store, encoder)
    archive = Archive(store, embedder, MemorySettings(**settings), clock)
    memory = Recall(store, embedder, MemorySettings(**settings), clock)
    return Desk(store=store, encoder=encoder, clock=clock, archive=archive, memory=memory)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database: on PostgreSQL memories are searched in their stacks."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'memory.db'}"
    return str(request.getfixturevalue("migrated")())


@pytest.fixture(scope="session")
def migrated(postgres: Any) -> Callable[[], str]:
    """Return what makes databases on PostgreSQL that have their tables already."""
    first: str = postgres.new_database()
    Store.open(first).close()
    return lambda: str(postgres.new_database(like=make_url(first).database))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store.open(url)
    yield opened
    opened.close()


@pytest.fixture
def at(store: Store) -> Callable[..., Desk]:
    """Return a desk on the test's database; settings of the memory by keyword."""

    def make(**settings: Any) -> Desk:
        return desk(settings.pop("store", store), **settings)

    return make
