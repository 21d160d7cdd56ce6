"""The shelf of one user: an index over the chunks of that user, in step with the database.

The database is the truth and the index a help to find in it: what is found is read from the
database again, so that a chunk which anybody deleted can't come back. Other processes' chunks are
seen by the memory's mark, which one cheap SELECT reads before every search.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

import numpy as np

from ..search.encoder import Encoder, Vectors
from ..search.index import SearchIndex
from ..store.chunks import ChunkRow, Mark
from ..store.engine import Store
from ..values import Scope
from .chunks import dated
from .modules.words import content_words

MOST_SHELVES = 64
"""Users whose index is kept in memory; those not asked for longest are dropped and built again."""

_SAME = 0.99
"""Cosine from which two vectors of one text are of one encoder (int8 and fp32 differ a little)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A chunk that was found: fused score (unbounded) and cosine with the query."""

    row: ChunkRow
    relevance: float
    similarity: float


class Shelf:
    """Finds in the chunks of one tenant and user. Blocking; may be used from any thread."""

    def __init__(self, owner: Scope, store: Store, encoder: Encoder) -> None:
        self._owner = owner
        self._store = store
        self._encoder = encoder
        self._lock = Lock()
        self._index = SearchIndex()
        self._mark = Mark(sequence=0, erasures=0)

    def find(self, query: str, vector: Vectors, *, k: int, now: datetime) -> list[Found]:
        """Return the chunks nearest to the query that hold now, the most relevant first, at most k.

        `vector` is the query's, (dim,) float32, normalised.
        """
        with self._lock:
            self._follow()
            # Question words are no sign of what is asked for: LoCoMo 6-7 gains 3 points by this.
            words = " ".join(content_words(query))
            hits = {hit.id: hit for hit in self._index.search(words, vector, k)}
        rows = self._store.chunks.get(self._owner, tuple(hits))
        return [
            Found(row=row, relevance=hits[row.id].score, similarity=hits[row.id].similarity)
            for row in rows
            if holds(row, now)
        ]

    def _follow(self) -> None:
        mark = self._store.chunks.mark(self._owner)
        if mark.erasures != self._mark.erasures:
            self._index = SearchIndex()
            self._mark = Mark(sequence=0, erasures=mark.erasures)
        if mark.sequence == self._mark.sequence:
            return
        rows = self._store.chunks.since(self._owner, self._mark.sequence)
        if rows:
            texts = [indexed(row) for row in rows]
            self._index.add([row.id for row in rows], texts, self._vectors(rows, texts))
        last = rows[-1].sequence if rows else mark.sequence
        self._mark = Mark(sequence=last, erasures=mark.erasures)

    def _vectors(self, rows: Sequence[ChunkRow], texts: Sequence[str]) -> Vectors:
        """Return the stored vectors, (n, dim) float32; new ones if another encoder wrote them."""
        width = 4 * self._encoder.dim
        blobs = [row.vector for row in rows if row.vector and len(row.vector) == width]
        if len(blobs) == len(rows):
            stored = np.frombuffer(b"".join(blobs), dtype="<f4").reshape(len(rows), -1)
            # What comes later was written by whoever uses the same settings now.
            if self._mark.sequence or self._made(stored[[0, -1]], [texts[0], texts[-1]]):
                return stored.astype(np.float32)
        return self._encoded(texts)

    def _made(self, vectors: Vectors, texts: Sequence[str]) -> bool:
        """Return whether this encoder makes these vectors, (n, dim) float32, of the texts."""
        cosines = np.sum(vectors * self._encoder.encode(texts), axis=1)
        return bool(np.all(cosines > _SAME))

    def _encoded(self, texts: Sequence[str]) -> Vectors:
        cache, name = self._store.vectors, self._encoder.name
        known = cache.get(self._owner, name, texts)
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known |= dict(zip(new, map(to_bytes, self._encoder.encode(new)), strict=True))
            cache.put(self._owner, name, {text: known[text] for text in new})
        return np.stack([np.frombuffer(known[text], dtype="<f4") for text in texts])


class Shelves:
    """The shelves of the users who asked last. May be used from any thread."""

    def __init__(self, store: Store, encoder: Encoder, *, most: int = MOST_SHELVES) -> None:
        self._store = store
        self._encoder = encoder
        self._most = most
        self._lock = Lock()
        self._shelves: OrderedDict[Scope, Shelf] = OrderedDict()

    def of(self, owner: Scope) -> Shelf:
        """Return the shelf of `owner`, a scope without a session."""
        with self._lock:
            shelf = self._shelves.pop(owner, None) or Shelf(owner, self._store, self._encoder)
            self._shelves[owner] = shelf
            while len(self._shelves) > self._most:
                self._shelves.popitem(last=False)
            return shelf


def indexed(row: ChunkRow) -> str:
    """Return the text by which a chunk is found: its date and what was said."""
    return dated(row.text, row.created_at)


def to_bytes(vector: Vectors) -> bytes:
    """Return a vector as it is stored: float32, little-endian."""
    return vector.astype("<f4").tobytes()


def holds(row: ChunkRow, now: datetime) -> bool:
    """Return whether a chunk is valid at `now`: begun, not replaced and not expired."""
    begun = row.valid_from is None or row.valid_from <= now
    expired = row.expires_at is not None and row.expires_at <= now
    return begun and not expired and row.superseded_by is None
