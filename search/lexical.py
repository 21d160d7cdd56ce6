"""A lexical index: BM25 over an inverted index that entries can be added to and removed from.

bm25s computes the scores when it builds its index, and they hold for that collection alone: every
entry more would mean to build it anew. Here only counts are stored, and scores are computed
when they are asked for.

Source: BM25 as in Lucene since version 8, without the constant factor k1 + 1; Kamphuis et al.,
"Which BM25 Do You Mean?", ECIR 2020, table 1; Robertson and Zaragoza, "The Probabilistic Relevance
Framework: BM25 and Beyond", 2009.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from ..errors import InvalidInput
from .encoder import Vectors
from .hits import Hit, Slots, top
from .words import words

K1, B = 1.2, 0.75
"""How soon a word's repetitions stop to matter, how much long texts are held back: Lucene's."""


def rareness(n: int, holders: int) -> float:
    """Return the inverse document frequency of what stands in `holders` of n texts."""
    return math.log(1 + (n - holders + 0.5) / (holders + 0.5))


@dataclass(slots=True)
class _Postings:
    """The slots of the entries that hold one word, and how often each holds it."""

    slots: array[int] = field(default_factory=lambda: array("i"))
    counts: array[float] = field(default_factory=lambda: array("f"))

    def remove(self, slot: int) -> None:
        at = self.slots.index(slot)
        self.slots[at], self.counts[at] = self.slots[-1], self.counts[-1]
        self.slots.pop()
        self.counts.pop()


class LexicalIndex:
    """Texts by id, found by their words. May be used from any thread.

    `k1` says how soon a word's repetitions stop to matter, `b` in 0..1 how much long texts are
    held back; the defaults are Lucene's.
    """

    def __init__(self, *, k1: float = K1, b: float = B) -> None:
        self._k1 = k1
        self._b = b
        self._lock = Lock()
        self._postings: dict[str, _Postings] = {}
        self._words: dict[int, tuple[str, ...]] = {}
        self._lengths = array("f")
        self._total = 0
        self.slots = Slots()

    def __len__(self) -> int:
        return len(self.slots)

    def __contains__(self, id_: str) -> bool:
        return id_ in self.slots

    def add(self, ids: Sequence[str], texts: Sequence[str]) -> None:
        """Add texts; an id that is there already gets the new one.

        Raises:
            InvalidInput: there are not as many texts as ids; nothing was changed.
        """
        if len(ids) != len(texts):
            raise InvalidInput(f"{len(ids)} ids came with {len(texts)} texts. Give one for each.")
        last = {id_: Counter(words(text)) for id_, text in zip(ids, texts, strict=True)}
        with self._lock:
            self._remove(last)
            for id_, counts in last.items():
                self._add(self.slots.take(id_), counts)

    def remove(self, ids: Iterable[str]) -> None:
        """Remove these ids; those that are not there are passed over."""
        with self._lock:
            self._remove(ids)

    def search(self, query: str, k: int) -> list[Hit]:
        """Return the k best of the entries that share a word with the query, the best first."""
        with self._lock:
            scores = self._scores(query)
            found = np.flatnonzero(scores > 0)
            best = found[top(scores[found], k)]
            return [Hit(self.slots.id(int(slot)), float(scores[slot])) for slot in best]

    def scores(self, query: str) -> dict[str, float]:
        """Return the score of every entry; 0 where it shares no word with the query."""
        with self._lock:
            return self.slots.scores(self._scores(query))

    def slot_scores(self, query: str) -> Vectors:
        """Return the same by slot, `(slots.size,)`; NaN where a slot is free."""
        with self._lock:
            return self._scores(query)

    def _scores(self, query: str) -> Vectors:
        if not self._lengths:
            return np.empty(0, dtype=np.float32)
        lengths = np.frombuffer(self._lengths, dtype=np.float32)
        scores = np.where(np.isnan(lengths), lengths, np.float32(0))
        if not self._total:
            return scores
        n = len(self)
        damping = self._k1 * (1 - self._b + self._b * lengths * (n / self._total))
        for word, times in Counter(words(query)).items():
            postings = self._postings.get(word)
            if postings is None:
                continue
            weight = times * rareness(n, len(postings.slots))
            slots = np.frombuffer(postings.slots, dtype=np.int32)
            counts = np.frombuffer(postings.counts, dtype=np.float32)
            scores[slots] += weight * counts / (counts + damping[slots])
        return scores

    def _add(self, slot: int, counts: Counter[str]) -> None:
        if slot == len(self._lengths):
            self._lengths.append(0)
        self._lengths[slot] = length = counts.total()
        self._total += length
        self._words[slot] = tuple(counts)
        for word, count in counts.items():
            postings = self._postings.get(word)
            if postings is None:
                postings = self._postings[word] = _Postings()
            postings.slots.append(slot)
            postings.counts.append(count)

    def _remove(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            slot = self.slots.drop(id_)
            if slot is None:
                continue
            self._total -= int(self._lengths[slot])
            self._lengths[slot] = math.nan
            for word in self._words.pop(slot):
                postings = self._postings[word]
                postings.remove(slot)
                if not postings.slots:
                    del self._postings[word]
