"""What the tests of the router share: agents, an encoder that reads words, a router of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
from platformdirs import user_cache_dir

from callboard.agents.registry import Registered, Snapshot
from callboard.agents.spec import Agent
from callboard.config import RouterSettings
from callboard.router.retrieval.interaction import Document, Interaction
from callboard.router.retrieval.knowledge import Knowledge, know
from callboard.router.retrieval.query import QueryViews, View
from callboard.router.retrieval.retriever import Retrieval, RetrievalRouter
from callboard.search.encoder import Encoder, Reading, Vectors
from callboard.search.words import words
from callboard.store.feedback import Vote

CACHE = Path(user_cache_dir("callboard"))

BILLING = Agent(
    name="billing",
    description="Invoices, charges and refunds. It does not know delivery times.",
    examples=("Why was I charged twice?", "send me the invoice again", "I want my money back"),
)
DELIVERY = Agent(
    name="delivery",
    description="Delivery times, tracking and lost parcels of our shop.",
    examples=("when will my parcel arrive?", "track my order", "how long does delivery take"),
)
TRAVEL = Agent(name="travel", description="Flights, hotels and train tickets to foreign cities.")


class WordEncoder:
    """Texts are as similar as they share words: each word has a random direction of its own."""

    name = "words"
    dim = 64

    def __init__(self) -> None:
        self._known: dict[str, Vectors] = {}

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._read(text).vector for text in texts])

    async def aencode(self, texts: Sequence[str]) -> Vectors:
        return self.encode(texts)

    def read(self, texts: Sequence[str]) -> list[Reading]:
        return [self._read(text) for text in texts]

    async def aread(self, texts: Sequence[str]) -> list[Reading]:
        return self.read(texts)

    def count_tokens(self, text: str) -> int:
        return len(words(text))

    def count_many(self, texts: Sequence[str]) -> list[int]:
        return [self.count_tokens(text) for text in texts]

    def _read(self, text: str) -> Reading:
        found = list(words(text))
        tokens = np.array([self._word(word) for word in found], np.float32).reshape(-1, self.dim)
        total = tokens.sum(axis=0)
        vector = (total / max(float(np.linalg.norm(total)), 1e-9)).astype(np.float32)
        return Reading(vector, tokens, np.array([crc32(word.encode()) for word in found], np.int64))

    def _word(self, word: str) -> Vectors:
        if word not in self._known:
            drawn = np.random.default_rng(crc32(word.encode())).normal(size=self.dim)
            self._known[word] = (drawn / np.linalg.norm(drawn)).astype(np.float32)
        return self._known[word]


class RecordingEmbedding:
    """Remembers what it was asked to embed."""

    def __init__(self, encoder: Encoder) -> None:
        self.embedded: list[str] = []
        self._encoder = encoder

    async def __call__(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        return await self._encoder.aencode(texts)

    async def documents(self, texts: Sequence[str], interaction: Interaction) -> list[Document]:
        return [interaction.document(one) for one in await self._encoder.aread(texts)]


class Router:
    """A router of its own, with the votes that it is given."""

    def __init__(self, encoder: Encoder, *, cache_dir: Path = CACHE, **settings: object) -> None:
        self.votes: list[Vote] = []
        self.embedding = RecordingEmbedding(encoder)
        self.settings = RouterSettings.model_validate(settings)
        self.retrieval = RetrievalRouter(
            encoder, self.embedding, self._ballots, self.settings, cache_dir
        )

    @property
    def embedded(self) -> list[str]:
        return self.embedding.embedded

    async def _ballots(self, seq: int) -> list[Vote]:
        return [vote for vote in self.votes if vote.seq > seq]

    async def ask(self, query: str, snapshot: Snapshot, **options: object) -> Retrieval:
        await self.retrieval.settle(snapshot)
        return await self.retrieval.retrieve(query, snapshot, **options)  # type: ignore[arg-type]


def of(*agents: Agent, version: int = 1) -> Snapshot:
    """Return a snapshot of these agents."""
    return Snapshot(version=version, agents=tuple(registered(agent) for agent in agents))


def registered(agent: Agent) -> Registered:
    """Return an agent as the registry has it."""
    return Registered(agent=agent, version=1, state="live")


def first(retrieval: Retrieval) -> str:
    """Return the agent that is most probable for the first part."""
    return retrieval.parts[0].scores[0].agent


def knowledge(
    encoder: Encoder, *agents: Agent, interaction: Interaction | None = None
) -> dict[str, Knowledge]:
    """Return what is known of agents."""
    return asyncio.run(know(agents, RecordingEmbedding(encoder), interaction))


def asked(encoder: Encoder, query: str) -> QueryViews:
    """Return a query without history, as it is compared."""
    return QueryViews((View(query, encoder.read([query])[0], 1.0),))


def changed(agent: Agent, **fields: object) -> Agent:
    """Return an agent that differs in these fields."""
    return Agent.model_validate({**agent.model_dump(), **fields})


def shares(retrieval: Retrieval) -> Mapping[str, float]:
    """Return the probability of each agent for the first part."""
    return {score.agent: score.probability for score in retrieval.parts[0].scores}
