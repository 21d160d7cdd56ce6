"""What a search gives back, and the numbering of entries that the indexes share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .encoder import Vectors


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry that was found. `score` is what the index says: a cosine or a BM25 score."""

    id: str
    score: float


class Slots:
    """Numbers string ids from 0 on; the number of a dropped id is given out again.

    The same takes and drops in the same order give the same numbers.
    """

    def __init__(self) -> None:
        self._ids: list[str | None] = []
        self._numbers: dict[str, int] = {}
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, id_: str) -> bool:
        return id_ in self._numbers

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, in the order in which they came."""
        return tuple(self._numbers)

    @property
    def size(self) -> int:
        """One more than the highest number that was ever in use."""
        return len(self._ids)

    def take(self, id_: str) -> int:
        """Return a number for an id that has none."""
        if self._free:
            number = self._free.pop()
            self._ids[number] = id_
        else:
            number = len(self._ids)
            self._ids.append(id_)
        self._numbers[id_] = number
        return number

    def drop(self, id_: str) -> int | None:
        """Give the number of `id_` back and return it; None if it has none."""
        number = self._numbers.pop(id_, None)
        if number is not None:
            self._ids[number] = None
            self._free.append(number)
        return number

    def number(self, id_: str) -> int:
        """Return the number of an id that has one."""
        return self._numbers[id_]

    def id(self, number: int) -> str:
        """Return the id that has this number."""
        id_ = self._ids[number]
        if id_ is None:
            raise KeyError(number)
        return id_

    def scores(self, by_number: Vectors) -> dict[str, float]:
        """Return every id with its score, from an array of scores by number."""
        numbers = np.fromiter(self._numbers.values(), dtype=np.int64, count=len(self))
        return dict(zip(self._numbers, by_number[numbers].tolist(), strict=True))


def top(scores: NDArray[np.floating], k: int) -> list[int]:
    """Return the positions of the k highest scores, the highest first; NaN is left out."""
    k = min(k, int(np.count_nonzero(~np.isnan(scores))))
    if k <= 0:
        return []
    keyed = np.where(np.isnan(scores), -np.inf, scores)
    best = np.argpartition(-keyed, k - 1)[:k]
    # Ties by position, so that a search gives the same list every time.
    order = np.lexsort((best, -keyed[best]))
    return [int(i) for i in best[order]]
