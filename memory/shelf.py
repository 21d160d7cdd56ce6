"""The shelf of one user: indexes over the chunks of that user, in step with the database.

The database is the truth and the indexes a help to find in it. Other processes' chunks are seen by
the memory's mark, which one cheap SELECT reads before every search; once anything was deleted or
replaced, by anybody, nothing that was read before is believed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ..search.dense import DenseIndex
from ..search.encoder import Vectors
from ..search.fusion import standardise
from ..search.hits import top
from ..search.lexical import LexicalIndex
from ..search.query import QueryVectors
from ..store.chunks import ChunkRow, Mark
from ..store.engine import Store
from ..values import Scope
from .columns import Columns
from .embedding import Embedder, indexed
from .modules.words import content_words
from .ranking import LOW, Days, Floats, Layout, Numbers, Signal, signals, weighted

SIMILARITY_FLOOR = 0.25
"""The cosine from which on a chunk is taken to have to do with a query.

Measured with MiniLM on 20 remembered sentences: queries about them have 0.21 to 0.65 (median 0.52)
with the right one, queries about anything else 0.08 to 0.34 (median 0.25) with the nearest. The
floor is low because a memory that is missed costs more than one quoted in vain.
"""

MOST_ROWS = 2048
"""Chunks of a user that are kept as they were read: the same ones are found again and again."""

_READ_AT_ONCE = 2_000
EMBEDDED_AT_ONCE = 32
"""Chunks that a search embeds before it looks; if more have no vector yet, it does not wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A chunk that was found: its rank score (a logit, unbounded), cosine, and all its signals.

    `similarity` is the cosine with the query as the base encoder reads it, whoever ranks.
    `matched`: it has a word of the query.
    """

    row: ChunkRow
    relevance: float
    similarity: float
    matched: bool
    signals: Mapping[Signal, float]

    @property
    def near(self) -> bool:
        """Whether it may have to do with the query. No evidence of LoCoMo is lost by this."""
        return self.matched or self.similarity >= SIMILARITY_FLOOR


class Shelf:
    """Finds in the chunks of one tenant and user. Blocking; may be used from any thread."""

    def __init__(self, owner: Scope, store: Store, embedder: Embedder) -> None:
        self._owner = owner
        self._store = store
        self._embedder = embedder
        self._lock = Lock()
        self._mark = Mark(sequence=0, erasures=0)
        self._lexical = LexicalIndex()
        self._dense = DenseIndex(embedder.dim)
        self._columns = Columns()
        self._pending: dict[str, None] = {}
        self._layout: tuple[Numbers, Numbers, Layout] | None = None
        self._rows: OrderedDict[str, ChunkRow] = OrderedDict()
        self.known = False
        """Whether the database was looked at."""

    @property
    def sequence(self) -> int:
        """The number of the last chunk that was read."""
        return self._mark.sequence

    def has(self, agent: str) -> bool:
        """Return whether anything was for this agent alone when the shelf was last searched.

        The first time the database is looked at.
        """
        if not self.known:
            with self._lock:
                self._follow()
        return self._columns.has(agent)

    def find(
        self,
        scope: Scope,
        query: str,
        vectors: QueryVectors,
        *,
        k: int,
        now: datetime,
        days: Sequence[Days] = (),
    ) -> list[Found]:
        """Return the chunks of the scope that hold now, the most relevant first, at most k.

        What is for one agent alone is found only by a scope that names it. `days` are those that
        the query names.
        """
        with self._lock:
            self._follow()
            if self._pending:
                self._embed()
            found = self._search(scope, query, vectors, k, days)
            rows = self._read(tuple(found))
        return [found[row.id](row) for row in rows if holds(row, now)]

    def rows(self, ids: Sequence[str]) -> list[ChunkRow]:
        """Return the chunks in the order of `ids`, without those that are gone or replaced.

        It stands as when the shelf was last searched.
        """
        with self._lock:
            # What is not indexed is gone or was replaced: the database need not be asked for it.
            return self._read([id_ for id_ in ids if id_ in self._lexical])

    def _read(self, ids: Sequence[str]) -> list[ChunkRow]:
        missing = [id_ for id_ in ids if id_ not in self._rows]
        if missing:
            self._rows |= ((row.id, row) for row in self._store.chunks.get(self._owner, missing))
        found = [self._rows[id_] for id_ in ids if id_ in self._rows]
        for row in found:
            self._rows.move_to_end(row.id)
        while len(self._rows) > MOST_ROWS:
            self._rows.popitem(last=False)
        return found

    def _search(
        self, scope: Scope, query: str, vectors: QueryVectors, k: int, days: Sequence[Days]
    ) -> dict[str, Hit]:
        slots, rows, layout = self._lie()
        if not len(slots):
            return {}
        # Question words are no sign of what is asked for: LoCoMo 6-7 gains 3 points by this.
        words = self._lexical.slot_scores(" ".join(content_words(query)))[slots]
        cosines = self._cosines(vectors.base, rows)
        meaning = cosines if vectors.read is None else self._cosines(vectors.read, rows)
        columns = signals(
            layout,
            words=standardise(words),
            meaning=standardise(meaning),
            named=self._columns.named(query, slots),
            days=days,
        )
        meant = self._columns.meant(scope, slots)
        scores = np.where(meant, weighted(columns, LOW), -np.inf)
        places = top(scores, min(k, int(meant.sum())))
        ids = [self._lexical.slots.id(int(slots[place])) for place in places]
        return dict(zip(ids, hits(places, scores, cosines, words, columns), strict=True))

    def _cosines(self, vector: Vectors, rows: Numbers) -> Floats:
        """Return the cosine of each row; where there is no vector yet, the mean of the others."""
        scores = self._dense.slot_scores(vector)
        cosines = np.full(len(rows), np.nan)
        embedded = rows >= 0
        cosines[embedded] = scores[rows[embedded]]
        usual = float(np.mean(cosines[embedded])) if embedded.any() else 0.0
        return np.where(embedded, cosines, usual)

    def _lie(self) -> tuple[Numbers, Numbers, Layout]:
        """Return the slots in order, each one's number among the vectors or -1, how they lie."""
        if self._layout is None:
            taken, embedded = self._lexical.slots, self._dense.slots
            used = np.array([taken.number(id_) for id_ in taken.ids], np.int64)
            slots, layout = self._columns.layout(used)
            rows = np.full(taken.size, -1, np.int64)
            for id_ in embedded.ids:
                rows[taken.number(id_)] = embedded.number(id_)
            self._layout = slots, rows[slots], layout
        return self._layout

    def _follow(self) -> None:
        mark = self._store.chunks.mark(self._owner)
        self.known = True
        anew = mark.sequence < self._mark.sequence  # the user was forgotten, and came back
        if anew or mark.erasures != self._mark.erasures:
            self._forget()
        if anew:
            self._mark = Mark(sequence=0, erasures=0)
        while mark.sequence > self._mark.sequence:
            rows = self._store.chunks.since(self._owner, self._mark.sequence, limit=_READ_AT_ONCE)
            self._take(rows)
            last = rows[-1].sequence if len(rows) == _READ_AT_ONCE else mark.sequence
            self._mark = Mark(sequence=max(last, rows[-1].sequence if rows else 0), erasures=0)
        self._mark = Mark(sequence=self._mark.sequence, erasures=mark.erasures)

    def _forget(self) -> None:
        self._rows.clear()
        left = self._store.chunks.ids(self._owner)
        gone = [id_ for id_ in self._lexical.slots.ids if id_ not in left]
        self._lexical.remove(gone)
        self._dense.remove(gone)
        for id_ in gone:
            self._pending.pop(id_, None)
        self._layout = None

    def _take(self, rows: Sequence[ChunkRow]) -> None:
        self._layout = None
        rows = [row for row in rows if row.superseded_by is None]
        self._lexical.add([row.id for row in rows], [indexed(row) for row in rows])
        for row in rows:
            self._columns.put(self._lexical.slots.number(row.id), row)
        vectors = {row.id: self._embedder.vector(row) for row in rows}
        self._pending |= dict.fromkeys(id_ for id_, vector in vectors.items() if vector is None)
        self._add_vectors({id_: one for id_, one in vectors.items() if one is not None})

    def _embed(self) -> None:
        """Take the vectors that came meanwhile; make those that are missing, if they are few."""
        ids = tuple(islice(self._pending, _READ_AT_ONCE))
        known = self._embedder.vectors(self._owner, ids)
        if len(self._pending) - len(known) <= EMBEDDED_AT_ONCE:
            missing = self._store.chunks.get(self._owner, [id_ for id_ in ids if id_ not in known])
            known |= self._embedder.embed(self._owner, missing) if missing else {}
            self._pending = {}
        for id_ in known:
            self._pending.pop(id_, None)
        self._add_vectors(known)

    def _add_vectors(self, vectors: Mapping[str, Vectors]) -> None:
        if vectors:
            self._layout = None
            self._dense.add(list(vectors), np.stack(list(vectors.values())))


@dataclass(frozen=True, slots=True)
class Hit:
    """What a chunk was found by; called with its row, it is what was found."""

    relevance: float
    similarity: float
    matched: bool
    signals: Mapping[Signal, float]

    def __call__(self, row: ChunkRow) -> Found:
        """Return the chunk as it was found."""
        return Found(
            row=row,
            relevance=self.relevance,
            similarity=self.similarity,
            matched=self.matched,
            signals=self.signals,
        )


def hits(
    places: Sequence[int],
    scores: Floats,
    cosines: Floats,
    words: NDArray[np.floating],
    columns: Mapping[Signal, Floats],
) -> list[Hit]:
    """Return what the chunks at these places of arrays `(n,)` were found by, in this order."""
    made_of = np.array(list(columns.values()))[:, places].T.tolist()
    return [
        Hit(
            float(scores[place]),
            float(cosines[place]),
            bool(words[place] > 0),
            dict(zip(columns, row, strict=True)),
        )
        for place, row in zip(places, made_of, strict=True)
    ]


def holds(row: ChunkRow, now: datetime) -> bool:
    """Return whether a chunk is valid at `now`: begun, not replaced and not expired."""
    begun = row.valid_from is None or row.valid_from <= now
    expired = row.expires_at is not None and row.expires_at <= now
    return begun and not expired and row.superseded_by is None
