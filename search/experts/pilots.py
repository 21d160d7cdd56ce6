"""Which queries are for which expert, told by base embeddings alone.

Pilots are those of RouterRetriever, arXiv 2409.02685, section 3.2: the queries of one domain are
grouped by the expert that does best on each, and a group's pilot is its centroid. The gate knows
no other expert: it says how near a query is to those that the expert was made with, measured by how
near these are to each other. A query of a field that nobody knows is near to none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..encoder import Vectors
from ..relevance import Floats

NEIGHBOURS = 5
"""So many of the nearest queries say how near one is."""
KNOWN = 512
"""So many of its queries an expert brings along, at most."""
_BORDER = 0.05
"""The share of an expert's own queries that stands at the border of its field, or beyond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The field of an expert: `known` queries `(n, dim)`; from `border` on a query is inside.

    `width` is how much nearer than that a usual one of its own is. Both are cosines.
    """

    known: Vectors
    border: float
    width: float

    @classmethod
    def of(cls, queries: Vectors, *, seed: int = 0) -> Gate:
        """Return the gate of an expert that was made with these queries, `(n, dim)`."""
        order = np.random.default_rng(seed).permutation(len(queries))[:KNOWN]
        known = queries[order]
        cosines = known @ known.T
        np.fill_diagonal(cosines, -1)
        near = _nearness(cosines)
        border, usual = np.quantile(near, [_BORDER, 0.5])
        return cls(known=known, border=float(border), width=max(float(usual - border), 0.01))

    def probability(self, vector: Vectors) -> float:
        """Return how probable it is that a query `(dim,)` is for the expert: 0.5 at the border."""
        near = float(_nearness((self.known @ vector)[None])[0])
        return float(1 / (1 + np.exp(-2 * (near - self.border) / self.width)))


def pilots(vectors: Vectors, scores: Mapping[str, Floats], own: str) -> dict[str, Vectors]:
    """Return the pilot of each that does best on some queries of one domain, `(dim,)`, by name.

    `vectors` `(n, dim)` are base embeddings of the queries, `scores` `(n,)` how well each expert,
    and the base, did on them; a query on which all do as well is the `own` expert's.
    """
    names = [own, *(name for name in scores if name != own)]
    winners = np.argmax(np.stack([scores[name] for name in names]), axis=0)
    return {
        name: vectors[winners == place].mean(axis=0)
        for place, name in enumerate(names)
        if (winners == place).any()
    }


def _nearness(cosines: Vectors) -> Vectors:
    """Return the mean of the highest `NEIGHBOURS` of each row."""
    k = min(NEIGHBOURS, cosines.shape[1])
    found: Vectors = np.partition(cosines, -k, axis=1)[:, -k:].mean(axis=1)
    return found
