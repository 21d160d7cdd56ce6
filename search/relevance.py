"""How well a ranking finds what is relevant. Plain functions of what was found.

`gains` are the grades of the relevant documents by their number; what is not there has gain 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .encoder import Vectors
from .hits import top

Gains: TypeAlias = Mapping[int, float]
Floats: TypeAlias = NDArray[np.float64]

DRAWS = 2000


def ndcg_at(ranked: Sequence[int], gains: Gains, k: int = 10) -> float:
    """Return the discounted gain of the first k, as a share of the best that there could be.

    Source: Järvelin and Kekäläinen, TOIS 20 (2002), with gains as they are and log2(rank + 1), as
    trec_eval computes it.
    """
    ideal = _discounted(sorted(gains.values(), reverse=True)[:k])
    return _discounted([gains.get(one, 0.0) for one in ranked[:k]]) / ideal if ideal else 0.0


def recall_at(ranked: Sequence[int], gains: Gains, k: int = 10) -> float:
    """Return which share of the relevant documents is among the first k."""
    relevant = {one for one, gain in gains.items() if gain > 0}
    return len(relevant.intersection(ranked[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranked: Sequence[int], gains: Gains) -> float:
    """Return 1 / the rank of the first relevant document; 0: none is ranked."""
    return next((1 / rank for rank, one in enumerate(ranked, 1) if gains.get(one, 0) > 0), 0.0)


def ndcg_of(queries: Vectors, documents: Vectors, gains: Sequence[Gains], k: int = 10) -> Floats:
    """Return the nDCG@k of each of `(n, dim)` queries among `(m, dim)` documents, by cosines."""
    return np.array(
        [
            ndcg_at(top(scores, k), some, k)
            for scores, some in zip(queries @ documents.T, gains, strict=True)
        ]
    )


def paired_interval(differences: Floats, *, seed: int = 0) -> tuple[float, float]:
    """Return the bootstrap interval of a mean difference, which holds with 95 %.

    `differences` `(n,)` are those of the same queries under two methods. Percentiles of `DRAWS`
    draws with replacement. Source: Efron, Annals of Statistics 7 (1979).
    """
    draw = np.random.default_rng(seed)
    places = draw.integers(0, len(differences), (DRAWS, len(differences)))
    low, high = np.quantile(differences[places].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))
