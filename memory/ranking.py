"""How chunks are ranked for a query: one sum of signals, weighted.

Beside words and meaning it counts whether the query names who spoke, what was said around a chunk,
how much the chunk says, and whether it is of the days that the query names. A chunk alone is
often too short to be found by what stands in it: an answer shares no word with the question that
was asked before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Numbers: TypeAlias = NDArray[np.int64]

Signal: TypeAlias = Literal[
    "words",
    "meaning",
    "named",
    "length",
    "asks",
    "session",
    "words_before",
    "words_after",
    "words_two_before",
    "words_two_after",
    "meaning_before",
    "meaning_after",
    "dated",
    "trust",
    "tokens",
]
"""words, meaning: BM25 and cosine, standardised over all chunks; *_before, *_after: those of the
chunks around it in its session. session: the mean of the three best of its session. named: 1 if the
query names the writer, 0 if it names others, 0.5 if it names nobody. length: the logarithm of its
tokens. asks: 1 if it holds a question mark. dated: how near it is to the days that the query names,
0..1. trust: 0..1. tokens: its likeness token by token, standardised over the candidates."""

SIGNALS: tuple[Signal, ...] = get_args(Signal)

LOW: Mapping[Signal, float] = MappingProxyType(
    {
        "words": 0.33,
        "meaning": 0.53,
        "named": 2.7,
        "length": 0.65,
        "asks": -0.4,
        "session": 0.35,
        "words_before": 0.17,
        "words_after": 0.05,
        "words_two_before": 0.13,
        "words_two_after": 0.10,
        "meaning_before": 0.26,
        "meaning_after": 0.14,
        "dated": 1.0,
        "trust": 0.5,
    }
)
"""Weights without tokens. Chosen on conversations 0 to 5 of LoCoMo by maximum likelihood of the
turns that answer the question (a softmax over all turns); `dated` and `trust` by hand."""

MID: Mapping[Signal, float] = MappingProxyType(
    {
        "words": 0.04,
        "meaning": 0.12,
        "named": 2.6,
        "length": -0.1,
        "asks": -0.4,
        "session": 0.28,
        "words_before": 0.15,
        "words_after": 0.05,
        "words_two_before": 0.12,
        "words_two_after": 0.09,
        "meaning_before": 0.23,
        "meaning_after": 0.08,
        "dated": 1.0,
        "trust": 0.5,
        "tokens": 0.9,
    }
)
"""Weights with tokens, chosen in the same way among the 96 best of the ranking without."""

_BEST_OF_SESSION = 3
TOLD_WITHIN_DAYS = 7
"""What happened on a day is told on it, or so many days later."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How chunks lie: arrays `(n,)` in the order of sessions, and in each in that of saying.

    `starts` `(n_sessions,)` are the first places of the sessions. `stretch` is the same for chunks
    between which none is left out: where all of a session are there, that is the session. `length`
    is the logarithm of the tokens, `asks` 0 or 1, `trust` 0..1, `days` the day of saying as a
    number (days since 1970).
    """

    starts: Numbers
    session: Numbers
    stretch: Numbers
    length: Floats
    asks: Floats
    trust: Floats
    days: Numbers


@dataclass(frozen=True, slots=True)
class Days:
    """The days that a query names, as numbers, both included."""

    first: int
    last: int


def signals(
    layout: Layout, *, words: Floats, meaning: Floats, named: Floats, days: Sequence[Days] = ()
) -> dict[Signal, Floats]:
    """Return all signals but `tokens`, each `(n,)`; those of these names are given."""
    return {
        "words": words,
        "meaning": meaning,
        "named": named,
        "length": layout.length,
        "asks": layout.asks,
        "session": _best_of_session(words + meaning, layout),
        "words_before": _around(words, -1, layout),
        "words_after": _around(words, 1, layout),
        "words_two_before": _around(words, -2, layout),
        "words_two_after": _around(words, 2, layout),
        "meaning_before": _around(meaning, -1, layout),
        "meaning_after": _around(meaning, 1, layout),
        "dated": _dated(layout.days, days),
        "trust": layout.trust,
    }


def weighted(found: Mapping[Signal, Floats], weights: Mapping[Signal, float]) -> Floats:
    """Return the weighted sum of the signals, `(n,)`: a logit, so that differences have a unit."""
    total: Floats = sum(
        (weights.get(name, 0.0) * column for name, column in found.items()), start=np.zeros(())
    )
    return total


def _around(values: Floats, by: int, layout: Layout) -> Floats:
    """Return for each place the value `by` places further in its session; 0 beyond its ends."""
    moved = np.zeros_like(values)
    here, there = (
        (slice(None, -by), slice(by, None))
        if by > 0
        else (
            slice(-by, None),
            slice(None, by),
        )
    )
    same = layout.stretch[here] == layout.stretch[there]
    moved[here] = np.where(same, values[there], 0.0)
    return moved


def _best_of_session(values: Floats, layout: Layout) -> Floats:
    """Return for each place the mean of the best values of its session."""
    left = values.copy()
    total = np.zeros(len(layout.starts))
    counted = np.zeros(len(layout.starts))
    for _ in range(_BEST_OF_SESSION):
        best = np.maximum.reduceat(left, layout.starts)
        there = np.isfinite(best)
        total[there] += best[there]
        counted += there
        # Equal values are taken together: they are rare, and as good as each other.
        left[left == best[layout.session]] = -np.inf
    mean: Floats = (total / np.maximum(counted, 1))[layout.session]
    return mean


def _dated(said: Numbers, days: Sequence[Days]) -> Floats:
    """Return 1 on the days named, and less over the week after: what happened is told later."""
    near = np.zeros(len(said))
    for span in days:
        late = np.clip(said - span.last, 0, TOLD_WITHIN_DAYS) / TOLD_WITHIN_DAYS
        near = np.maximum(near, np.where(said >= span.first, 1.0 - late, 0.0))
    return near
