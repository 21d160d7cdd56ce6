"""What a predictor looks at: a query, and what a model has drafted to answer it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..learned import Vector

CHEAP = 6
"""Numbers of a draft beside the two embeddings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A reply that may be replaced. `logprob` is the mean of its tokens, None where untold."""

    text: str
    refuses: bool
    logprob: float | None = None


def query_features(query: Vector) -> Vector:
    """Return the features of a query, `(dim + 1,)`, of its embedding."""
    return np.append(query, np.float32(1))


def draft_features(query: Vector, draft: Vector, told: Draft) -> Vector:
    """Return the features of a draft beside its query, `(2 * dim + CHEAP,)`, of both embeddings."""
    cheap = (
        math.log1p(len(told.text)),
        told.refuses,
        float(query @ draft),
        told.logprob or 0.0,
        told.logprob is not None,
        1.0,
    )
    return np.concatenate((query, draft, np.array(cheap, np.float32)))
