"""A dense index for large catalogues: short codes say who may be near, the vectors who is.

A row never moves and is never written twice: a vector that is removed or replaced leaves a dead
row, a new one is appended. So codes are only appended too, and `rebuild` can read while others
write. It leaves the dead behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .encoder import Vectors
from .hits import top
from .vectors import fitted, lone_faiss, products

_Change: TypeAlias = tuple[list[int], Vectors | None]
"""Ids and their new vectors; None: they are removed."""

_STALE = 0.25
"""The share of dead rows, and rows that came after the codes were learnt, that makes us `due`."""
_SPARE = 1024
"""Rows: as many are kept free at least, may be stale at least, and are copied at once."""
_SAMPLE, _FEWEST = 20_000, 16 * 39
"""Vectors that codes are learnt from: more find no better ones, of fewer FAISS complains."""
_SPREAD, _MARGIN = 4, 100
"""This many times k, and this many more, are compared with by their vectors.

So 99.8 % of the 100 nearest of 100,000 sentences are found. Of thousands that are nearly the same,
fewer are: in their place stand others whose cosines are less by 0.004 or so.
"""
_FEW, _CATCHING_UP = 100, 4
"""Rows that `rebuild` may catch up on while others wait, 1 ms; after so many tries, any number."""


class ApproximateIndex:
    """Vectors of length `dim` by integer; of normalised ones, scores are cosines.

    Below `exact_below` entries, and until `rebuild` has run for the first time, a search compares
    with every vector. The owner calls `rebuild` in a thread whenever the index is `due`.

    May be used from any thread. Kept in memory alone: its owner builds it from stored vectors.
    """

    def __init__(self, dim: int, *, exact_below: int = 10_000) -> None:
        self.dim = dim
        self._exact_below = max(exact_below, 1)
        self._table = _Table(dim)
        self._lock = Lock()
        self._rebuilding = Lock()
        self._missed: list[_Change] | None = None

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, id_: int) -> bool:
        return id_ in self._table

    @property
    def due(self) -> bool:
        """Whether `rebuild` would make searches quicker, or keep them as good as they were."""
        with self._lock:
            table = self._table
            stale = table.used - len(table)
            if table.codes is not None:
                stale += table.used - table.learnt
            uncoded = table.codes is None and len(table) >= self._exact_below
            return uncoded or stale > max(_SPARE, _STALE * len(table))

    def add(self, ids: Sequence[int], vectors: Vectors) -> None:
        """Add `(len(ids), dim)` vectors; an id that is there already gets the new one.

        A search sees all of them or none. It waits 10 us for a vector of 384 numbers, and for the
        copying of all when room runs out: not before the index has been `due` for long.

        Raises:
            InvalidInput: the vectors do not fit; nothing was changed.
        """
        self._change(_numbers(ids), fitted(vectors, (len(ids), self.dim)))

    def remove(self, ids: Iterable[int]) -> None:
        """Remove these ids; those that are not there are passed over."""
        self._change(_numbers(list(ids)), None)

    def search(self, vector: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
        """Return ids and inner products of the k nearest to `(dim,)`, the nearest first.

        Inner products are exact; of a large index, a few of the k may be missed.

        Raises:
            InvalidInput: the vector does not fit.
        """
        (row,) = fitted(vector[None], (1, self.dim))
        with self._lock:
            return self._table.nearest(row, k, exact=len(self) < self._exact_below)

    def rebuild(self) -> None:
        """Learn codes anew from the vectors that are there, and forget the dead rows.

        Blocks for seconds and holds everything twice: call it in a thread. Everything else may be
        called meanwhile.
        """
        with self._rebuilding:
            with self._lock:
                ids, matrix, alive = self._table.snapshot()
                self._missed = []
            try:
                self._exchange(ids, matrix, np.flatnonzero(alive))
            finally:
                with self._lock:
                    self._missed = None

    def _exchange(self, ids: NDArray[np.int64], matrix: Vectors, kept: NDArray[np.int64]) -> None:
        table = _Table(self.dim, room=len(kept) * 3 // 2)
        if len(kept) >= self._exact_below:
            step = -(-len(kept) // _SAMPLE)
            table.learn(matrix[kept[::step]], len(kept))
        for start in range(0, len(kept), _SPARE):
            part = kept[start : start + _SPARE]
            table.change(ids[part].tolist(), matrix[part])
        for others_wait in [False] * _CATCHING_UP + [True]:
            with self._lock:
                missed, self._missed = self._missed or [], []
                if others_wait or sum(len(ids) for ids, _ in missed) <= _FEW:
                    table.replay(missed)
                    self._table = table
                    return
            table.replay(missed)

    def _change(self, ids: list[int], rows: Vectors | None) -> None:
        with self._lock:
            self._table.change(ids, rows)
            if self._missed is not None:
                # A copy: the array may be the caller's, who is free to write into it.
                self._missed.append((ids, None if rows is None else rows.copy()))


class _Table:
    """Rows by position, each with an id and alive or dead, and their codes. Not locked.

    Every two numbers of a vector are told by one of 16 points, in 4 bits: 96 bytes for 384 float32.
    All codes are scanned, so that nothing hides in a cluster that was not looked into.

    Source: Jégou et al., "Product Quantization for Nearest Neighbor Search", TPAMI 2011; scanned in
    registers as in André et al., "Quicker ADC", TPAMI 2019, by FAISS.
    """

    def __init__(self, dim: int, room: int = 0) -> None:
        self._matrix = np.empty((room + _SPARE, dim), dtype=np.float32)
        self._ids = np.empty(room + _SPARE, dtype=np.int64)
        self._alive = np.zeros(room + _SPARE, dtype=np.bool_)
        self._positions: dict[int, int] = {}
        self.used = 0
        self.codes: Any = None
        self.learnt = 0

    def __len__(self) -> int:
        return len(self._positions)

    def __contains__(self, id_: int) -> bool:
        return id_ in self._positions

    def snapshot(self) -> tuple[NDArray[np.int64], Vectors, NDArray[np.bool_]]:
        """Return ids, vectors and who is alive, by position: all stay as they are now."""
        used = self.used
        return self._ids[:used], self._matrix[:used], self._alive[:used].copy()

    def learn(self, sample: Vectors, n: int) -> None:
        """Make codes, while there is no row yet, from a sample of the n rows that will come."""
        faiss = lone_faiss()
        dim = sample.shape[1]
        parts = dim if dim % 2 else dim // 2
        codes = faiss.IndexPQFastScan(dim, parts, 4, faiss.METRIC_INNER_PRODUCT)
        codes.train(np.resize(sample, (max(len(sample), _FEWEST), dim)))
        self.codes, self.learnt = codes, n

    def replay(self, changes: Iterable[_Change]) -> None:
        """Make these changes one after another."""
        for ids, vectors in changes:
            self.change(ids, vectors)

    def change(self, ids: list[int], vectors: Vectors | None) -> None:
        """Put `(len(ids), dim)` vectors in place of what has these ids; None: nothing."""
        if vectors is not None:
            self._append(ids, vectors)
        else:
            self._alive[[self._positions.pop(id_) for id_ in ids if id_ in self._positions]] = False

    def _append(self, ids: list[int], vectors: Vectors) -> None:
        start, stop = self.used, self.used + len(ids)
        if stop > len(self._ids):
            self._grow(stop * 3 // 2 + _SPARE)
        if self.codes is not None and ids:
            lone_faiss()
            self.codes.add(vectors)
        self._matrix[start:stop] = vectors
        self._ids[start:stop] = ids
        self._alive[start:stop] = True
        for position, id_ in enumerate(ids, start):
            if (old := self._positions.get(id_)) is not None:
                self._alive[old] = False
            self._positions[id_] = position
        self.used = stop

    def _grow(self, room: int) -> None:
        """Copy to larger arrays. Not in place: a snapshot may be read just now."""
        ids, matrix, alive = self.snapshot()
        self._ids = np.empty(room, dtype=np.int64)
        self._matrix = np.empty((room, matrix.shape[1]), dtype=np.float32)
        self._alive = np.zeros(room, dtype=np.bool_)
        used = slice(0, self.used)
        self._ids[used], self._matrix[used], self._alive[used] = ids, matrix, alive

    def nearest(self, vector: Vectors, k: int, *, exact: bool) -> tuple[NDArray[np.int64], Vectors]:
        """Return ids and inner products of the k nearest rows that are alive."""
        places = slice(0, self.used) if exact else self._promising(vector, k)
        scores = products(self._matrix[places], vector)
        scores[~self._alive[places]] = np.nan
        best = top(scores, k)
        return self._ids[places][best], scores[best]

    def _promising(self, vector: Vectors, k: int) -> slice | NDArray[np.int64]:
        """Return positions that are worth a look, half as many alive as are wanted at least."""
        wanted = n = _SPREAD * k + _MARGIN
        while self.codes is not None and n < self.used:
            lone_faiss()
            found: NDArray[np.int64] = self.codes.search(vector[None], n)[1][0]
            found = found[found >= 0]
            if np.count_nonzero(self._alive[found]) >= wanted // 2:
                return found
            n *= 2
        return slice(0, self.used)


def _numbers(ids: Sequence[int]) -> list[int]:
    numbers: list[int] = np.asarray(ids, dtype=np.int64).tolist()
    return numbers
