"""A query as it is compared with agents: alone, or in the light of the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    """One text that stands for the query; the weights of all its views add up to 1."""

    text: str
    reading: Reading
    weight: float


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
        if len(self.views) == 1:
            return self.vector
        total: Vectors = np.sum([view.weight * view.reading.vector for view in self.views], axis=0)
        return total

    def _only(self, number: int) -> QueryViews:
        view = self.views[number]
        return QueryViews((View(view.text, view.reading, 1.0),))


def texts_in_context(query: str, history: Sequence[Exchange]) -> tuple[str, ...]:
    """Return the query; then it after the query before it, and after the end of the last answer."""
    if not history:
        return (query,)
    last = history[-1]
    before = (last.query, last.answer[-_ANSWER_CHARS:])
    return tuple(dict.fromkeys((query, *(f"{text} {query}".strip() for text in before))))


def views_of(texts: Sequence[str], readings: Sequence[Reading]) -> QueryViews:
    """Return the views that `texts_in_context` spelled, as they were read."""
    rest = len(texts) - 1
    weights = [1.0] if not rest else [_ALONE, *[2 * _TOGETHER / rest] * rest]
    return QueryViews(tuple(map(View, texts, readings, weights)))
