"""filter: which of the passages found belong to the query; the others are left, and named."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from pydantic import Field

from ...models.journal import Journal
from ...search.fusion import standardise
from ...values import ModuleSpec
from ..ranking import LOW, MID, Floats, Signal, weighted
from .asking import Answer, Asked, Model, Question, cited
from .base import Outcome, Passage, Worked

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


HELPFUL = 2.0
"""What a model's word adds to a passage's logit: enough to move it up, not to drop the others."""


def keep_ranked(given: Sifting) -> Filtered:
    """Keep the best passages as the search ranked them."""
    logits = [one.relevance or 0.0 for one in given.passages]
    return sifted(given, placed(given.passages, logits))


@dataclass(frozen=True, slots=True)
class Reranked:
    """Keeps the best passages when they are compared with the query token by token too."""

    async def run(self, given: Sifting, journal: Journal) -> Worked[Filtered]:
        """Return which passages stay."""
        return Worked(found=sifted(given, await reranked(given)))

    def most_usd(self, given: Sifting) -> Decimal | None:
        """Return 0."""
        return Decimal(0)


async def reranked(given: Sifting) -> dict[str, float]:
    """Return the logit of each passage by its tokens too, by id, the best first."""
    alike = await given.likeness([one.id for one in given.passages])
    signals: dict[Signal, Floats] = {
        name: np.array([one.signals.get(name, 0.0) for one in given.passages]) for name in LOW
    }
    # A passage whose tokens are not known yet is as alike as the others are on average.
    usual = sum(alike.values()) / len(alike) if alike else 0.0
    signals["tokens"] = standardise(np.array([alike.get(one.id, usual) for one in given.passages]))
    logits = placed(given.passages, weighted(signals, MID).tolist())
    return dict(sorted(logits.items(), key=lambda pair: -pair[1]))


def placed(passages: Sequence[Passage], logits: Sequence[float]) -> dict[str, float]:
    """Return the logits by id, those that a cross-encoder read exchanged so that its order holds.

    The values stay the same: how sure the search is that some of them help does not change.
    """
    read = sorted(
        (number for number, one in enumerate(passages) if one.place is not None),
        key=lambda number: passages[number].place or 0,
    )
    best = sorted((logits[number] for number in read), reverse=True)
    handed = dict(zip(read, best, strict=True))
    return {one.id: handed.get(n, logits[n]) for n, one in enumerate(passages)}


class Helpful(Answer):
    """The numbers of the passages that help, the most helpful first."""

    helpful: list[int] = Field(max_length=6)


@dataclass(frozen=True, slots=True)
class Judging:
    """Has a model say which of the best passages help; these come first."""

    model: Model

    async def run(self, given: Sifting, journal: Journal) -> Worked[Filtered]:
        """Return which passages stay."""
        logits = await reranked(given)
        by_id = {one.id: one for one in given.passages}
        best = replace(given, passages=tuple(by_id[id_] for id_ in logits))
        judged = await Asked(_HELPFUL, self.model).run(best, journal)
        for place, chosen in enumerate(judged.found):
            logits[chosen.id] += HELPFUL - place * _STEP
        return Worked(found=sifted(given, logits), note=judged.note)

    def most_usd(self, given: Sifting) -> Decimal | None:
        """Return the price of asking."""
        return Asked(_HELPFUL, self.model).most_usd(given)


def _helpful(given: Sifting, reply: Helpful) -> Worked[tuple[Passage, ...]]:
    return Worked(found=cited(reply.helpful, given.passages))


_STEP = 0.1
_HELPFUL: Question[Sifting, Helpful, tuple[Passage, ...]] = Question(
    name="filter",
    reply=Helpful,
    passages=lambda given: given.passages,
    query=lambda given: given.query,
    read=_helpful,
)


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


SPEC = ModuleSpec(
    name="filter",
    description=(
        "Judges which of the passages that the search found really help to answer the query, "
        "and keeps the best of them. Pays when many passages look alike, when the words of the "
        "query are common, or when what is meant has to be told from what only sounds like it."
    ),
)
RETURNS = Outcome[Filtered]
