"""filter: which of the passages found belong to the query; the others are left, and named."""

from __future__ import annotations

from dataclasses import dataclass

from ...values import ModuleSpec
from .base import Module, Outcome, Passage, rules
from .words import share, stems

SIMILARITY_WEIGHT = 0.7
"""The rest is the weight of shared words. Source: BudgetMem's code, filter at its free tier."""

THRESHOLD = 0.20
OF_BEST = 0.4
"""A passage stays if it scores `THRESHOLD` and this part of what the best one scores."""

DISTRUST = 0.5
"""How much relevance (in standard deviations of the search) a passage of no trust loses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifting:
    """The passages found, the most relevant first, and how many may stay."""

    query: str
    passages: tuple[Passage, ...]
    keep: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A passage and how well it fits the query, 0..1."""

    chunk_id: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """Which passages stay and which are left, the most relevant first."""

    kept: tuple[Judged, ...]
    left: tuple[Judged, ...] = ()


def keep_relevant(given: Sifting) -> Filtered:
    """Keep at most `keep` passages that are alike or share words with the query.

    Where none reaches the threshold, the best one stays: the search has already dropped what has
    nothing to do with the query.
    """
    query = stems(given.query)
    ranked = sorted(given.passages, key=_rank, reverse=True)
    judged = [Judged(chunk_id=one.id, score=_score(query, one)) for one in ranked]
    if not judged:
        return Filtered(kept=())
    best = max(one.score for one in judged)
    threshold = min(best, max(THRESHOLD, OF_BEST * best))
    kept = tuple(one for one in judged if one.score >= threshold)[: given.keep]
    return Filtered(kept=kept, left=tuple(one for one in judged if one not in kept))


def _rank(passage: Passage) -> float:
    return (passage.relevance or 0.0) - DISTRUST * (1.0 - passage.trust)


def _score(query: frozenset[str], passage: Passage) -> float:
    similarity = max(passage.similarity or 0.0, 0.0)
    words = share(query, passage.text)
    return round(SIMILARITY_WEIGHT * similarity + (1 - SIMILARITY_WEIGHT) * words, 4)


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
    tiers={"low": rules(keep_relevant)},
)
