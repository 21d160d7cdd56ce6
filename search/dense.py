"""A dense index: exact nearest neighbours by inner product, in FAISS."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock

import numpy as np

from ..errors import InvalidInput
from .encoder import Vectors
from .hits import Hit, Slots


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
        rows = self.fitted(vectors, len(ids))
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
        import faiss

        rows = self.fitted(vectors, len(vectors))
        with self._lock:
            k = min(k, len(self))
            if k <= 0 or not len(rows):
                return [[] for _ in rows]
            # Threads that wait for each other take 50 ms instead of 1 on a busy machine. This
            # holds for the calling thread alone.
            faiss.omp_set_num_threads(1)
            scores, numbers = self._index.search(rows, k)
            return [
                [Hit(self.slots.id(number), score) for number, score in zip(*found, strict=True)]
                for found in zip(numbers.tolist(), scores.tolist(), strict=True)
            ]

    def scores(self, vector: Vectors) -> dict[str, float]:
        """Return the inner product of `(dim,)` with every entry."""
        (row,) = self.fitted(vector[None], 1)
        with self._lock:
            return self.slots.scores(self._scores(row))

    def slot_scores(self, vector: Vectors) -> Vectors:
        """Return the same by slot, `(slots.size,)`; NaN where a slot is free."""
        (row,) = self.fitted(vector[None], 1)
        with self._lock:
            return self._scores(row)

    def fitted(self, vectors: Vectors, n: int) -> Vectors:
        """Return the vectors as FAISS wants them.

        Raises:
            InvalidInput: they are not `(n, dim)`, or hold NaN or infinity.
        """
        rows = np.ascontiguousarray(vectors, dtype=np.float32)
        if rows.shape != (n, self.dim):
            raise InvalidInput(
                f"Vectors of shape {rows.shape} do not fit: {(n, self.dim)} is needed. "
                "Encode all texts of one index with the same encoder."
            )
        if not np.isfinite(rows).all():
            raise InvalidInput("A vector holds NaN or infinity. Encode its text again.")
        return rows

    def _scores(self, row: Vectors) -> Vectors:
        import faiss

        scores = np.full(self.slots.size, np.nan, dtype=np.float32)
        n = self._index.ntotal
        if n:
            # FAISS's own memory, not a copy: valid until the index changes.
            matrix = faiss.rev_swig_ptr(self._flat.get_xb(), n * self.dim).reshape(n, self.dim)
            numbers = faiss.vector_to_array(self._index.id_map)
            # Not `@`, whose threads wait for each other too.
            scores[numbers] = np.einsum("ij,j->i", matrix, row)
        return scores

    def _remove(self, ids: Iterable[str]) -> None:
        dropped = [number for id_ in ids if (number := self.slots.drop(id_)) is not None]
        if dropped:
            import faiss

            self._index.remove_ids(faiss.IDSelectorBatch(np.array(dropped, dtype=np.int64)))
