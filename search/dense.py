"""A dense index: exact nearest neighbours by inner product, in FAISS."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock

import numpy as np

from .encoder import Vectors
from .hits import Hit, Slots
from .vectors import fitted, lone_faiss, products


class DenseIndex:
    """Vectors of length `dim` by id; of normalised ones, scores are cosines.

    May be used from any thread. Kept in memory alone: its owner builds it from stored vectors.
    """

    def __init__(self, dim: int) -> None:
        import faiss

        self._flat = faiss.IndexFlatIP(dim)
        self._index = faiss.IndexIDMap2(self._flat)
        self._lock = Lock()
        self.dim = dim
        self.slots = Slots()

    def __len__(self) -> int:
        return len(self.slots)

    def __contains__(self, id_: str) -> bool:
        return id_ in self.slots

    def add(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Add `(len(ids), dim)` vectors; an id that is there already gets the new one.

        Raises:
            InvalidInput: the vectors do not fit; nothing was changed.
        """
        rows = fitted(vectors, (len(ids), self.dim))
        last = {id_: row for row, id_ in enumerate(ids)}
        with self._lock:
            self._remove(last)
            if last:
                numbers = np.array([self.slots.take(id_) for id_ in last], dtype=np.int64)
                self._index.add_with_ids(rows[list(last.values())], numbers)

    def remove(self, ids: Iterable[str]) -> None:
        """Remove these ids; those that are not there are passed over."""
        with self._lock:
            self._remove(ids)

    def search(self, vectors: Vectors, k: int) -> list[list[Hit]]:
        """Return for each of `(q, dim)` vectors its k nearest, the nearest first."""
        rows = fitted(vectors, (len(vectors), self.dim))
        with self._lock:
            k = min(k, len(self))
            if k <= 0 or not len(rows):
                return [[] for _ in rows]
            lone_faiss()
            scores, numbers = self._index.search(rows, k)
            return [
                [Hit(self.slots.id(number), score) for number, score in zip(*found, strict=True)]
                for found in zip(numbers.tolist(), scores.tolist(), strict=True)
            ]

    def scores(self, vector: Vectors) -> dict[str, float]:
        """Return the inner product of `(dim,)` with every entry."""
        (row,) = fitted(vector[None], (1, self.dim))
        with self._lock:
            return self.slots.scores(self._scores(row))

    def slot_scores(self, vector: Vectors) -> Vectors:
        """Return the same by slot, `(slots.size,)`; NaN where a slot is free."""
        (row,) = fitted(vector[None], (1, self.dim))
        with self._lock:
            return self._scores(row)

    def _scores(self, row: Vectors) -> Vectors:
        import faiss

        scores = np.full(self.slots.size, np.nan, dtype=np.float32)
        n = self._index.ntotal
        if n:
            # FAISS's own memory, not a copy: valid until the index changes.
            matrix = faiss.rev_swig_ptr(self._flat.get_xb(), n * self.dim).reshape(n, self.dim)
            numbers = faiss.vector_to_array(self._index.id_map)
            scores[numbers] = products(matrix, row)
        return scores

    def _remove(self, ids: Iterable[str]) -> None:
        dropped = [number for id_ in ids if (number := self.slots.drop(id_)) is not None]
        if dropped:
            import faiss

            self._index.remove_ids(faiss.IDSelectorBatch(np.array(dropped, dtype=np.int64)))
