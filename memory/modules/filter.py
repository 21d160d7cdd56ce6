"""filter: which of the passages found belong to the query; the others are left, and named."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...models.journal import Journal
from ...search.fusion import standardise
from ...values import ModuleSpec
from ..ranking import LOW, MID, Signal, weighted
from .base import Module, Outcome, Passage, rules

Likeness = Callable[[Sequence[str]], Awaitable[Mapping[str, float]]]
"""Returns how alike the query and chunks are token by token, by their ids."""

COVERED = 0.999
"""Passages are kept until the chance that one further helps is less than the rest of this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifting:
    """The passages found, the most relevant first, and how many may stay.

    No more stay than there is room for: those behind the first `tokens` could not be quoted.
    """

    query: str
    passages: tuple[Passage, ...]
    keep: int
    tokens: int
    likeness: Likeness


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A passage and how well it fits the query: its share of what is relevant, 0..1."""

    chunk_id: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """Which passages stay and which are left, the most relevant first."""

    kept: tuple[Judged, ...]
    left: tuple[Judged, ...] = ()


def keep_ranked(given: Sifting) -> Filtered:
    """Keep the best passages as the search ranked them."""
    return sifted(given, {one.id: one.relevance or 0.0 for one in given.passages})


async def keep_reranked(given: Sifting, journal: Journal) -> Filtered:
    """Keep the best passages when they are compared with the query token by token too."""
    alike = await given.likeness([one.id for one in given.passages])
    columns: dict[Signal, list[float]] = {
        name: [one.signals.get(name, 0.0) for one in given.passages] for name in LOW
    }
    # A passage whose tokens are not known yet is as alike as the others are on average.
    known = np.array(list(alike.values()) or [0.0])
    found = np.array([alike.get(one.id, float(known.mean())) for one in given.passages])
    signals = {name: np.array(column) for name, column in columns.items()}
    signals["tokens"] = standardise(found)
    scores = weighted(signals, MID).tolist()
    return sifted(given, dict(zip((one.id for one in given.passages), scores, strict=True)))


def sifted(given: Sifting, logits: Mapping[str, float]) -> Filtered:
    """Keep the best by `logits` while there is room, until nearly all relevance is covered.

    Relevance is the softmax of the logits over the passages.
    """
    if not given.passages:
        return Filtered(kept=())
    ranked = sorted(logits, key=lambda id_: -logits[id_])
    best = logits[ranked[0]]
    weights = [math.exp(logits[id_] - best) for id_ in ranked]
    total = sum(weights)
    judged = [
        Judged(chunk_id=id_, score=round(weight / total, 6))
        for id_, weight in zip(ranked, weights, strict=True)
    ]
    tokens = {one.id: one.tokens for one in given.passages}
    kept, covered, room = 0, 0.0, given.tokens
    while kept < min(given.keep, len(ranked)) and room > 0 and covered < COVERED * total:
        covered += weights[kept]
        room -= tokens[ranked[kept]]
        kept += 1
    return Filtered(kept=tuple(judged[:kept]), left=tuple(judged[kept:]))


FILTER: Module[Sifting, Filtered] = Module(
    spec=ModuleSpec(
        name="filter",
        description=(
            "Judges which of the passages that the search found really help to answer the query, "
            "and keeps the best of them. Pays when many passages look alike, when the words of the "
            "query are common, or when what is meant has to be told from what only sounds like it."
        ),
    ),
    returns=Outcome[Filtered],
    tiers={"low": rules(keep_ranked), "mid": keep_reranked},
)
