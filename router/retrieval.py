"""The retrieval router: scores every agent for a query, and for each of its parts.

Milliseconds on a CPU and no model asked. The result is plain data: what the decision, the
inspector and a replay need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..agents.registry import Snapshot
from ..search.encoder import Encoder
from ..search.kept import kept_vectors
from .calibration import learn_border
from .index import AgentIndex, Embed, Nearness, Vectors, background
from .parts import is_wish, split_wishes
from .scoring import (
    GUARD_THRESHOLD,
    in_scope_score,
    margin,
    nearest_mean,
    probabilities,
    relevance,
    usual_nearness,
)

KEPT = 10
"""Agents kept per part, the most probable first."""
MAX_INDEXES = 32
"""Indexes kept in memory, one per tenant and registry version."""
_TAKEN = 0.6
"""A background line this near to an agent's words is in its field, and left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentScore:
    """What speaks for one agent: `nearest` is the text of it that is nearest, at this `cosine`."""

    agent: str
    probability: float
    kind: str
    nearest: str
    cosine: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PartScores:
    """The scores for one part of a query; `in_scope` in 0..1."""

    text: str
    in_scope: float
    scores: tuple[AgentScore, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """The scores for a query: one entry, or one for each of its parts."""

    parts: tuple[PartScores, ...]
    registry_version: int


@dataclass(frozen=True, slots=True)
class _Ready:
    """An index and what depends on it alone."""

    index: AgentIndex
    usual: Nearness
    pool: Vectors
    border: float


class RetrievalRouter:
    """Scores agents; follows the registry from version to version.

    `embed` embeds the texts of agents and may remember them; `encoder` embeds queries; what is
    the same for all boards is kept in `cache_dir`.
    """

    def __init__(self, encoder: Encoder, embed: Embed, cache_dir: Path) -> None:
        self._cache_dir = cache_dir
        self._encoder = encoder
        self._embed = embed
        # By identity: the registry hands out the same snapshot until its version changes.
        self._ready: dict[int, tuple[Snapshot, _Ready]] = {}
        self._latest: AgentIndex | None = None
        self._pool: Vectors | None = None
        self._building = asyncio.Lock()

    async def retrieve(
        self,
        query: str,
        snapshot: Snapshot,
        *,
        context: str = "",
        exclude: Collection[str] = (),
        threshold: float = GUARD_THRESHOLD,
    ) -> Retrieval:
        """Score the agents of `snapshot` for `query`, as if those in `exclude` did not exist.

        From `threshold` on, a part of the query is taken to be in scope. `context` is the query
        before this one: where the query alone fits no agent ("and in euros?"), both together are
        scored.
        """
        ready = await self._prepare(snapshot)
        pieces = split_wishes(query)
        texts = [query, *(pieces if len(pieces) > 1 else ())]
        if context:
            texts.append(f"{context}\n{query}")
        vectors = await self._encoder.aencode(texts)
        scored = [_score(ready, t, v, exclude) for t, v in zip(texts, vectors, strict=True)]
        split = scored[1 : 1 + len(pieces)] if len(pieces) > 1 else ()
        parts = _choose(scored[0], split, threshold)
        if context and max(part.in_scope for part in parts) < threshold:
            joined = scored[-1]
            if joined.in_scope >= threshold:
                parts = (replace(joined, text=query),)
        return Retrieval(parts=parts, registry_version=snapshot.version)

    async def _prepare(self, snapshot: Snapshot) -> _Ready:
        known = self._ready.get(id(snapshot))
        if known is None or known[0] is not snapshot:
            async with self._building:
                known = self._ready.get(id(snapshot))
                if known is None or known[0] is not snapshot:
                    known = (snapshot, await self._build(snapshot))
                    self._ready[id(snapshot)] = known
                    while len(self._ready) > MAX_INDEXES:
                        self._ready.pop(next(iter(self._ready)))
        return known[1]

    async def _build(self, snapshot: Snapshot) -> _Ready:
        if self._pool is None:
            self._pool = await kept_vectors(self._encoder, background(), self._cache_dir)
        index = await AgentIndex.build(snapshot, self._embed, self._latest)
        self._latest = index
        return await asyncio.to_thread(_get_ready, index, self._pool)


def _get_ready(index: AgentIndex, background: Vectors) -> _Ready:
    near = [index.compare(vector) for vector in background]
    outside = [*background, *index.outside()]
    free = [
        vector
        for vector, entry in zip(outside, map(index.compare, outside), strict=True)
        if not index.names or max(entry.example.max(), entry.phrase.max()) < _TAKEN
    ]
    pool = np.stack(free) if free else np.zeros((0, background.shape[1]), np.float32)
    usual = usual_nearness(near)
    return _Ready(index, usual, pool, learn_border(index, usual, pool))


def _score(ready: _Ready, text: str, vector: Vectors, exclude: Collection[str]) -> PartScores:
    index = ready.index
    allowed = np.array([name not in exclude for name in index.names], bool)
    if not allowed.any():
        return PartScores(text=text, in_scope=0.0, scores=())
    near = relevance(index.compare(vector), ready.usual, index.examples)
    scores = np.where(allowed, near, -np.inf)
    shares = probabilities(scores)
    order = np.argsort(-shares)[: min(KEPT, int(allowed.sum()))]
    found = []
    for position in order:
        name = index.names[position]
        kind, nearest, cosine = index.evidence(name, vector)
        found.append(
            AgentScore(
                agent=name,
                probability=round(float(shares[position]), 4),
                kind=kind,
                nearest=nearest,
                cosine=round(cosine, 3),
            )
        )
    common = nearest_mean(ready.pool @ vector) if len(ready.pool) else 0.0
    guard = in_scope_score(margin(float(scores.max()), common), ready.border)
    return PartScores(text=text, in_scope=round(guard, 4), scores=tuple(found))


def _choose(
    whole: PartScores, pieces: Sequence[PartScores], threshold: float
) -> tuple[PartScores, ...]:
    """Return the scores to decide by: those of the parts if they are different agents' business.

    A part that fits nobody is kept beside one that does, so that it is told and not lost. Where no
    two agents are concerned the query stands as one; if it fits no agent as a whole but a part
    of it does, that part speaks for it.
    """
    parts = _join(pieces, threshold)
    fitting = [part for part in parts if part.in_scope >= threshold]
    if fitting and len(parts) > 1:
        return tuple(parts)
    if whole.in_scope < threshold and fitting:
        best = max(fitting, key=lambda part: part.in_scope)
        return (replace(best, text=whole.text),)
    return (whole,)


def _join(pieces: Sequence[PartScores], threshold: float) -> list[PartScores]:
    """Join neighbours that call the same agent, and context with the part that it belongs to.

    Context is a piece that fits no agent and asks for nothing ("I bought a jacket.").
    """
    joined: list[PartScores] = []
    context = ""
    for piece in pieces:
        fits = piece.in_scope >= threshold
        if not fits and not is_wish(piece.text):
            context = f"{context} {piece.text}".strip()
            continue
        last = joined[-1] if joined else None
        text = f"{context} {piece.text}".strip()
        context = ""
        if last and fits and last.scores[0].agent == piece.scores[0].agent:
            surer = max(last, piece, key=lambda part: part.in_scope)
            joined[-1] = replace(surer, text=f"{last.text} {text}")
        else:
            joined.append(replace(piece, text=text))
    if context and joined:
        joined[-1] = replace(joined[-1], text=f"{joined[-1].text} {context}")
    return joined
