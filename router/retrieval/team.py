"""The team as the router knows it: its agents indexed, what lies outside, what was learned.

Follows the registry from version to version and learns beside the queries: a new agent can be
routed to at once; until the heads know it, it is judged by what it says and by its examples.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...agents.snapshot import Snapshot
from ...config import RouterSettings
from ...search.encoder import Encoder, Reading, Vectors
from ...search.kept import kept_vectors
from ...values import Checkup
from .calibration import Calibration, calibrated
from .categories import categories
from .checkup import check_up
from .index import AgentIndex, Match
from .interaction import Interaction
from .knowledge import Embedding, Knowledge, know
from .learning import Learned, held_out, learn, margins_of
from .query import QueryViews, View
from .scoring import Weights
from .surroundings import Surroundings
from .texts import background

READ_BY_TOKEN = 2000
"""Descriptions are compared token by token on boards up to this size: 30 kB an agent."""
_EVERYDAY = 128
"""Everyday queries that are read by token, to know what is usual."""
_WHOLE_AGAIN = 500
"""Up to this many agents the surroundings are found anew when one of them changes."""
_LEARN_AFTER = 0.5
"""Seconds from a change until it is learned from: agents often come one after the other."""
_REFUSED = 0.55
"""A query this near to a refused topic, and nearer to it than to any agent, is refused."""


@dataclass(frozen=True, slots=True)
class _Outside:
    """What is the same whatever agents there are."""

    everyday: Vectors
    sample: tuple[tuple[str, Reading], ...]
    interaction: Interaction
    refusals: tuple[tuple[str, Vectors], ...]
    weights: Weights

    def new_index(self) -> AgentIndex:
        return AgentIndex(self.everyday.mean(axis=0), self.interaction, self.weights)


class Team:
    """The agents of a board. Used on one event loop; `compare` and below it, in any thread.

    `embedding` embeds the texts of agents, and remembers; `encoder` reads what is compared.
    """

    def __init__(self, encoder: Encoder, embedding: Embedding, outside: _Outside) -> None:
        self._encoder = encoder
        self._embedding = embedding
        self._outside = outside
        self._index = outside.new_index()
        self._surroundings = Surroundings(outside.everyday)
        self._learned = Learned()
        self._following = asyncio.Lock()
        self._snapshot: Snapshot | None = None
        self._learning: asyncio.Task[None] | None = None
        self._stale = False
        self._hurry = asyncio.Event()

    @classmethod
    async def gather(
        cls,
        encoder: Encoder,
        embedding: Embedding,
        settings: RouterSettings,
        cache_dir: Path,
        weights: Weights,
    ) -> Team:
        """Return a team without agents; what is the same for all boards is kept in `cache_dir`."""
        everyday = await kept_vectors(encoder, background(), cache_dir)
        step = max(1, len(background()) // _EVERYDAY)
        texts = background()[::step][:_EVERYDAY]
        readings = await encoder.aread(texts)
        sample = tuple(zip(texts, readings, strict=True))
        refused = (*settings.blocked_topics, *settings.out_of_scope)
        vectors = await encoder.aencode(refused) if refused else ()
        refusals = tuple(zip(refused, vectors, strict=True))
        return cls(
            encoder, embedding, _Outside(everyday, sample, Interaction(readings), refusals, weights)
        )

    @property
    def calibration(self) -> Calibration:
        """How the scores are to be read."""
        return self._learned.calibration

    async def follow(self, snapshot: Snapshot) -> None:
        """Make the team that of `snapshot`; one that is older than the last changes nothing."""
        if snapshot is self._snapshot:
            return
        async with self._following:
            earlier = self._snapshot
            if earlier is snapshot or (earlier and snapshot.version < earlier.version):
                return
            changed = snapshot.live
            removed: tuple[str, ...] = ()
            if earlier is not None:
                changes = snapshot.changes_since(earlier)
                changed, removed = changes.changed, changes.removed
            by_token = self._outside.interaction
            known = await know(
                [one.agent for one in changed],
                self._embedding,
                by_token if len(snapshot.live) <= READ_BY_TOKEN else None,
            )
            await asyncio.to_thread(self._change, known, removed)
            if earlier is None:
                self._learned = await asyncio.to_thread(self._first_look)
            self._snapshot = snapshot
        if known or removed:
            self._learn()

    async def settle(self) -> None:
        """Wait until all is learned that can be learned from the agents."""
        self._hurry.set()
        while self._learning is not None and not self._learning.done():
            await asyncio.shield(self._learning)
        self._hurry.clear()

    async def close(self) -> None:
        """Stop learning."""
        if self._learning is not None:
            self._learning.cancel()
            await asyncio.gather(self._learning, return_exceptions=True)

    def compare(
        self,
        queries: Sequence[QueryViews],
        *,
        exclude: Collection[str],
        only: Collection[str] | None,
        also: Sequence[Collection[str]],
    ) -> list[list[Match]]:
        """Return the agents that fit each query best, best first; those in its `also` are there."""
        heads = self._learned.heads
        return self._index.compare_all(queries, heads=heads, exclude=exclude, only=only, also=also)

    def outside_nearness(self, vectors: Vectors) -> list[float]:
        """Return how near the vectors of queries `(n, dim)` are to what no agent does."""
        return self._surroundings.all_nearness(vectors)

    def refusal(self, vector: Vectors, best: float) -> str:
        """Return the refused topic that a query meets; empty if none, or an agent is nearer.

        `best` is the best cosine of the query's vector `(dim,)` with an agent's texts.
        """
        refusals = self._outside.refusals
        found = [(float(own @ vector), topic) for topic, own in refusals]
        cosine, topic = max(found, default=(0.0, ""))
        return topic if cosine >= max(_REFUSED, best) else ""

    async def check_up(self) -> Checkup:
        """Return how well the agents can be told apart."""
        return await asyncio.to_thread(self._check_up)

    async def categories(self) -> dict[str, str]:
        """Return the category of every agent."""
        live = self._snapshot.live if self._snapshot else ()
        tags = {one.agent.name: one.agent.tags for one in live}
        return await asyncio.to_thread(categories, self._index.known, tags)

    def _check_up(self) -> Checkup:
        known, outside = self._index.known, self._outside
        trials = held_out(known, outside.new_index, self._encoder, self._surroundings)
        firsts = []
        for text, reading in outside.sample:
            query = QueryViews((View(text, reading, 1.0),))
            matches = self._index.compare(query, heads=self._learned.heads)
            firsts += [match.agent for match in matches[:1]]
        return check_up(known, trials, firsts)

    def _change(self, known: Mapping[str, Knowledge], removed: Sequence[str]) -> None:
        self._index.remove(removed)
        self._index.put(known)
        if len(self._index) <= _WHOLE_AGAIN:
            self._surroundings = Surroundings.of(
                self._outside.everyday,
                self._index.known.values(),
                np.array([vector for _, vector in self._outside.refusals], np.float32),
            )
        else:
            self._surroundings = Surroundings.of(self._surroundings.vectors, known.values())

    def _first_look(self) -> Learned:
        """Return the calibration by a few everyday queries, for the time until more is learned."""
        sample = self._outside.sample[::2]
        texts, readings = [text for text, _ in sample], [reading for _, reading in sample]
        outside = margins_of(texts, readings, self._index, None, self._surroundings)
        return Learned(calibration=calibrated((), outside))

    def _learn(self) -> None:
        self._stale = True
        if self._learning is None or self._learning.done():
            self._learning = asyncio.create_task(self._keep_learning())

    async def _keep_learning(self) -> None:
        while self._stale:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LEARN_AFTER):
                    await self._hurry.wait()
            self._stale = False
            if self._index.due:
                await asyncio.to_thread(self._index.rebuild)
            known = self._index.known
            if len(known) > _WHOLE_AGAIN and not any(len(one.examples) for one in known.values()):
                continue  # nothing to learn from but everyday queries, at which was looked before
            self._learned = await asyncio.to_thread(
                learn,
                known,
                self._outside.new_index,
                self._encoder,
                self._surroundings,
                self._outside.everyday,
            )
