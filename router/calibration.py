"""Where the border of a board's scope lies, learned from its own agents.

Every example query of an agent is a query in scope: with that one example left out, it is scored
as if a user had asked it. Background queries that no agent takes are out of scope. The border
is put where both are told apart best, and is drawn towards the usual one where examples are few.
"""

from __future__ import annotations

import numpy as np

from .index import AgentIndex, Nearness, Vectors
from .scoring import USUAL_BORDER, margin, nearest_mean, relevance

SAMPLE = 600
"""Examples and background queries looked at, at most, so that a large board is ready soon."""
_CAUTION = 0.02
"""Added to the border: real queries lie a little nearer to examples than these to one another."""
_PRIOR = 30
"""The usual border counts as much as this many examples."""


def learn_border(index: AgentIndex, usual: Nearness, pool: Vectors) -> float:
    """Return the margin from which a query is in scope; see `scoring.margin`.

    The border maximises the harmonic mean of the shares that are told right on both sides.
    Source: GQR score, arXiv 2505.14524, on margins instead of labels.
    """
    inside = _inside(index, usual, pool)
    if not len(inside) or len(pool) < 2:
        return USUAL_BORDER
    outside = _outside(index, usual, pool)
    borders = np.unique(np.concatenate([inside, outside]))
    kept = (inside[None, :] >= borders[:, None]).mean(axis=1)
    refused = (outside[None, :] < borders[:, None]).mean(axis=1)
    score = 2 * kept * refused / np.maximum(kept + refused, 1e-9)
    # The best is often a plateau; its middle is the safest place.
    best = float(np.median(borders[score >= score.max() - 1e-9]))
    share = len(inside) / (len(inside) + _PRIOR)
    return share * (best + _CAUTION) + (1 - share) * USUAL_BORDER


def _inside(index: AgentIndex, usual: Nearness, pool: Vectors) -> Vectors:
    margins = [
        margin(float(relevance(near, usual, index.examples).max()), nearest_mean(pool @ vector))
        for vector, near in index.left_out(SAMPLE)
    ]
    return np.array(margins, np.float32)


def _outside(index: AgentIndex, usual: Nearness, pool: Vectors) -> Vectors:
    chosen = np.random.default_rng(0).permutation(len(pool))[:SAMPLE]
    margins = []
    for position in chosen:
        vector = pool[position]
        cosines = np.delete(pool @ vector, position)
        best = float(relevance(index.compare(vector), usual, index.examples).max())
        margins.append(margin(best, nearest_mean(cosines)))
    return np.array(margins, np.float32)
