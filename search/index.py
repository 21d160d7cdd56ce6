"""An index that finds by meaning and by words at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np

from ..errors import InvalidInput
from .dense import DenseIndex
from .encoder import Vectors
from .fusion import fuse
from .hits import top
from .lexical import LexicalIndex
from .vectors import fitted


@dataclass(frozen=True, slots=True)
class FusedHit:
    """An entry that was found.

    `score` is the fused one and orders the entries of one query; for a threshold take
    `similarity`, the cosine in -1..1, or `lexical`, the BM25 score (0: no word in common).
    """

    id: str
    score: float
    similarity: float
    lexical: float


class SearchIndex:
    """Texts with their vectors by id, found by fused scores. May be used from any thread.

    The length of the vectors is that of the first that are added. Kept in memory alone: its
    owner builds it from stored texts and vectors.
    """

    def __init__(self, *, dense_weight: float = 1.0, lexical_weight: float = 1.0) -> None:
        self._weights = (dense_weight, lexical_weight)
        self._lock = Lock()
        self._dense: DenseIndex | None = None
        self._lexical = LexicalIndex()

    def __len__(self) -> int:
        return len(self._lexical)

    def __contains__(self, id_: str) -> bool:
        return id_ in self._lexical

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, in the order in which they came."""
        return self._lexical.slots.ids

    def add(self, ids: Sequence[str], texts: Sequence[str], vectors: Vectors) -> None:
        """Add texts with their `(len(ids), dim)` normalised vectors; known ids get the new ones.

        Raises:
            InvalidInput: texts or vectors do not fit; nothing was changed.
        """
        if not ids:
            return
        if vectors.ndim != 2:
            raise InvalidInput(f"Vectors of shape {vectors.shape} came; (n, dim) is needed.")
        with self._lock:
            dense = DenseIndex(vectors.shape[1]) if self._dense is None else self._dense
            rows = fitted(vectors, (len(ids), dense.dim))
            # Both number their slots alike, because they see the same changes in the same order.
            self._lexical.add(ids, texts)
            dense.add(ids, rows)
            self._dense = dense

    def remove(self, ids: Iterable[str]) -> None:
        """Remove these ids; those that are not there are passed over."""
        known = list(ids)
        with self._lock:
            if self._dense is not None:
                self._lexical.remove(known)
                self._dense.remove(known)

    def search(self, query: str, vector: Vectors, k: int) -> list[FusedHit]:
        """Return the k best entries for a query and its `(dim,)` vector, the best first.

        All entries are candidates: cosines and BM25 scores are standardised over the whole index.
        """
        with self._lock:
            if self._dense is None:
                return []
            cosines = self._dense.slot_scores(vector)
            lexical = self._lexical.slot_scores(query)
            used = np.flatnonzero(~np.isnan(cosines))
            fused = fuse((cosines[used], lexical[used]), self._weights)
            return [
                FusedHit(
                    id=self._lexical.slots.id(int(slot)),
                    score=float(fused[place]),
                    similarity=float(cosines[slot]),
                    lexical=float(lexical[slot]),
                )
                for place in top(fused, k)
                for slot in [used[place]]
            ]
