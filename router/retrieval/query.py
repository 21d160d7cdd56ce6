"""A query as it is compared with agents: alone, or in the light of the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...search.encoder import Reading, Vectors
from ...values import Exchange

_ALONE, _TOGETHER = 0.4, 0.3
"""Weights of the query alone, and of each text in which it stands with what came before it.

Chosen on the validation turns of SGD, benchmarks/README.md.
"""
_ANSWER_CHARS = 200
"""Of the last answer, its end: there it asks what the next query answers."""


@dataclass(frozen=True, slots=True)
class View:
    """One text that stands for the query; the weights of all its views add up to 1.

    `read` `(dim,)` is the text's vector as an expert reads it; None: none does.
    """

    text: str
    reading: Reading
    weight: float
    read: Vectors | None = None

    @property
    def meaning(self) -> Vectors:
        """The vector `(dim,)` that is compared with what agents say of themselves."""
        return self.reading.vector if self.read is None else self.read


@dataclass(frozen=True, slots=True)
class QueryViews:
    """A query's views, the query alone first."""

    views: tuple[View, ...]

    @property
    def alone(self) -> QueryViews:
        """The query without the conversation."""
        return self._only(0)

    @property
    def joined(self) -> QueryViews:
        """The query after the one before it, as one text."""
        return self._only(1)

    @property
    def vector(self) -> Vectors:
        """The vector of the query alone, `(dim,)`."""
        return self.views[0].reading.vector

    @property
    def mean(self) -> Vectors:
        """The mean vector of all views, `(dim,)`."""
        return self._mean([view.reading.vector for view in self.views])

    @property
    def meaning(self) -> Vectors:
        """The vector of the query alone as it is compared with agents, `(dim,)`."""
        return self.views[0].meaning

    @property
    def mean_meaning(self) -> Vectors:
        """The mean of all views as they are compared with agents, `(dim,)`."""
        return self._mean([view.meaning for view in self.views])

    @property
    def as_base(self) -> QueryViews:
        """The query as the base encoder reads it."""
        return QueryViews(tuple(replace(view, read=None) for view in self.views))

    def _mean(self, vectors: Sequence[Vectors]) -> Vectors:
        if len(vectors) == 1:
            return vectors[0]
        weights = [view.weight for view in self.views]
        total: Vectors = np.sum(
            [weight * vector for weight, vector in zip(weights, vectors, strict=True)], axis=0
        )
        return total

    def _only(self, number: int) -> QueryViews:
        view = self.views[number]
        return QueryViews((replace(view, weight=1.0),))


def texts_in_context(query: str, history: Sequence[Exchange]) -> tuple[str, ...]:
    """Return the query; then it after the query before it, and after the end of the last answer."""
    if not history:
        return (query,)
    last = history[-1]
    before = (last.query, last.answer[-_ANSWER_CHARS:])
    return tuple(dict.fromkeys((query, *(f"{text} {query}".strip() for text in before))))


def views_of(
    texts: Sequence[str], readings: Sequence[Reading], read: Sequence[Vectors | None] = ()
) -> QueryViews:
    """Return the views that `texts_in_context` spelled, as they were read, also by an expert."""
    rest = len(texts) - 1
    weights = [1.0] if not rest else [_ALONE, *[2 * _TOGETHER / rest] * rest]
    return QueryViews(tuple(map(View, texts, readings, weights, read or [None] * len(texts))))
