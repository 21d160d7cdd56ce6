"""What lies outside of all agents' fields: the measure for being in scope.

Everyday queries that no agent takes, what agents say that they do not do, and what the user said is
out of scope.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...search.encoder import Vectors
from .knowledge import Knowledge
from .scoring import nearest_mean

_TAKEN = 0.6
"""A background line this near to an agent's words is in its field, and left out."""


class Surroundings:
    """Vectors of queries out of scope. Immutable."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors

    @classmethod
    def of(
        cls, everyday: Vectors, known: Iterable[Knowledge], refused: Vectors | None = None
    ) -> Surroundings:
        """Return what surrounds `known`; `everyday` `(n, dim)` are queries about anything."""
        free = np.ones(len(everyday), bool)
        outside = [] if refused is None or not len(refused) else [refused]
        for one in known:
            own = np.concatenate([one.examples, one.phrases])
            free &= (everyday @ own.T).max(axis=1) < _TAKEN
            if len(one.not_its):
                outside.append(one.not_its)
        return cls(np.concatenate([everyday[free], *outside]))

    def nearness(self, vector: Vectors, *, itself: bool = False) -> float:
        """Return how near a query `(dim,)` is to what is outside, `itself` left out."""
        cosines = self.vectors @ vector
        if itself and len(cosines):
            cosines = np.delete(cosines, int(np.argmax(cosines)))
        return nearest_mean(cosines)

    def all_nearness(self, vectors: Vectors) -> list[float]:
        """Return the same for several queries `(n, dim)`."""
        # BLAS is quickest with both sides row after row.
        cosines = self.vectors @ np.ascontiguousarray(vectors.T)
        return [nearest_mean(column) for column in cosines.T]

    def free(self, everyday: Vectors) -> list[int]:
        """Return the places of those of `everyday` `(n, dim)` that no agent takes."""
        outside = {vector.tobytes() for vector in self.vectors}
        return [place for place, one in enumerate(everyday) if one.tobytes() in outside]
