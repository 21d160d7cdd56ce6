"""The figures of routing benchmarks, and how sure each is. Plain functions of what was decided.

Shares are in 0..1 here and in percent in reports. An interval holds the true value with 95 %.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Interval: TypeAlias = tuple[float, float]
_Floats: TypeAlias = NDArray[np.float64]

Z = 1.959964
DRAWS = 1000
"""Samples of a bootstrap."""


# One query -------------------------------------------------------------------------------------


def at_1(ranked: Sequence[str], labels: Collection[str]) -> bool:
    """Tell whether the first of the ranked agents is right."""
    return bool(ranked) and ranked[0] in labels


def label_in_set(chosen: Collection[str], labels: Collection[str]) -> bool:
    """Tell whether a right agent stands in the set. Source: the rule of TCAR, arXiv 2601.04544."""
    return any(label in chosen for label in labels)


def complete_at(ranked: Sequence[str], labels: Collection[str], first: int = 5) -> bool:
    """Tell whether all right agents are among the `first` ranked ones."""
    return set(labels) <= set(ranked[:first])


def f1(chosen: Collection[str], labels: Collection[str]) -> float:
    """Return the F1 of a set: the harmonic mean of precision and recall; two empty sets agree."""
    if not chosen and not labels:
        return 1.0
    return 2 * len(set(chosen) & set(labels)) / (len(set(chosen)) + len(set(labels)))


# Many queries ----------------------------------------------------------------------------------


def mean(values: Iterable[float]) -> float | None:
    """Return the mean; None of nothing."""
    known = list(values)
    return statistics.fmean(known) if known else None


def auroc(inside: Sequence[float], outside: Sequence[float]) -> float | None:
    """Return how well scores tell both apart: how often one inside is above one outside.

    A tie counts half; None where one of them is empty. Source: Mann and Whitney, 1947.
    """
    if not inside or not outside:
        return None
    return _above(np.array(inside, float), np.array(outside, float))


def _above(inside: _Floats, outside: _Floats) -> float:
    below = np.sort(outside)
    under = np.searchsorted(below, inside, "left") + np.searchsorted(below, inside, "right")
    return float(under.mean() / 2 / len(below))


def gqr_score(accuracy: float | None, rejected: float | None) -> float | None:
    """Return the harmonic mean of accuracy in scope and the share rejected out of scope.

    `accuracy` counts a query that the guard keeps out as wrong. Source: arXiv 2505.14524.
    """
    if accuracy is None or rejected is None:
        return None
    total = accuracy + rejected
    return 2 * accuracy * rejected / total if total else 0.0


# Intervals and comparisons ---------------------------------------------------------------------


def wilson(hits: int, total: int) -> Interval | None:
    """Return the interval of a share; None of nothing. Source: Wilson, JASA 22 (1927)."""
    if not total:
        return None
    share = hits / total
    middle = (share + Z * Z / (2 * total)) / (1 + Z * Z / total)
    spread = share * (1 - share) / total + Z * Z / (4 * total * total)
    half = Z / (1 + Z * Z / total) * math.sqrt(spread)
    return (max(0.0, middle - half), min(1.0, middle + half))


def mean_interval(values: Sequence[float], *, seed: int = 0) -> Interval | None:
    """Return the bootstrap interval of a mean; None of nothing.

    Percentiles of `DRAWS` draws with replacement. Source: Efron, Annals of Statistics 7 (1979).
    """
    if not values:
        return None
    draw = np.random.default_rng(seed)
    known = np.array(values, float)
    found = sorted(float(draw.choice(known, len(known)).mean()) for _ in range(DRAWS))
    return (quantile(found, 0.025), quantile(found, 0.975))


def auroc_interval(
    inside: Sequence[float], outside: Sequence[float], *, seed: int = 0
) -> Interval | None:
    """Return the bootstrap interval of `auroc`; what is inside and outside is drawn apart."""
    if not inside or not outside:
        return None
    draw = np.random.default_rng(seed)
    above, below = np.array(inside, float), np.array(outside, float)
    found = sorted(
        _above(draw.choice(above, len(above)), draw.choice(below, len(below))) for _ in range(DRAWS)
    )
    return (quantile(found, 0.025), quantile(found, 0.975))


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Return the exact two-sided p-value that two policies are equally often right.

    Both say for the same queries, in the same order, whether they were right; only those on which
    they differ count. Source: McNemar, Psychometrika 12 (1947), with the binomial distribution.

    Raises:
        ValueError: they do not have the same length.
    """
    pairs = list(zip(first, second, strict=True))
    gained = sum(after and not before for before, after in pairs)
    lost = sum(before and not after for before, after in pairs)
    trials = gained + lost
    if not trials:
        return 1.0
    tail = sum(math.comb(trials, count) for count in range(min(gained, lost) + 1))
    return min(1.0, float(tail / 2 ** (trials - 1)))


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the ordered values lie, between two in proportion."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
