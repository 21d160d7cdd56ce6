"""The tail of a large memory: its newest chunks, which are not in its stack yet.

They are read like those of a shelf, and told in the same form as what is found in the stack.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from ..search.encoder import Vectors
from ..search.query import QueryVectors
from ..search.words import words
from ..store.chunks import ChunkRow
from ..store.engine import Store
from ..store.stacked import Looked, StackState, Weights
from ..values import Scope
from .columns import asks, day_number, length, names_of, thread
from .embedding import Embedder, indexed
from .shelf import EMBEDDED_AT_ONCE


@dataclass(frozen=True, slots=True)
class Newest:
    """A chunk with its words, and the words of its writer's name."""

    row: ChunkRow
    words: Counter[str]
    names: frozenset[str]


class Tail:
    """Follows the newest chunks of one tenant and user. May be used from any thread."""

    def __init__(self, owner: Scope, store: Store, embedder: Embedder) -> None:
        self._owner = owner
        self._store = store
        self._embedder = embedder
        self._lock = Lock()
        self._newest: dict[str, Newest] = {}
        self._vectors: dict[str, Vectors] = {}
        self._read_to = 0
        self._erasures = 0

    def follow(self, state: StackState) -> tuple[tuple[Newest, ...], dict[str, Vectors]]:
        """Return the chunks that are not stacked, and by id the vectors that they have.

        If only a few have none they are embedded first, as for a shelf.
        """
        with self._lock:
            if state.mark.erasures != self._erasures or state.sequence > self._read_to:
                self._newest, self._vectors, self._read_to = {}, {}, state.sequence
                self._erasures = state.mark.erasures
            if state.mark.sequence > self._read_to:
                self._read(state.mark.sequence)
            self._newest = {
                id_: one for id_, one in self._newest.items() if one.row.sequence > state.sequence
            }
            self._embed()
            return tuple(self._newest.values()), dict(self._vectors)

    def _read(self, newest: int) -> None:
        rows = self._store.chunks.since(self._owner, self._read_to)
        for row in rows:
            if row.superseded_by is None:
                counted = Counter(words(indexed(row)))
                self._newest[row.id] = Newest(row, counted, frozenset(names_of(row.writer)))
        self._read_to = max(newest, rows[-1].sequence if rows else 0)

    def _embed(self) -> None:
        self._vectors = {id_: one for id_, one in self._vectors.items() if id_ in self._newest}
        missing = [id_ for id_ in self._newest if id_ not in self._vectors]
        if missing:
            self._vectors |= self._embedder.vectors(self._owner, missing)
            missing = [id_ for id_ in missing if id_ not in self._vectors]
        if 0 < len(missing) <= EMBEDDED_AT_ONCE:
            rows = [self._newest[id_].row for id_ in missing]
            self._vectors |= self._embedder.embed(self._owner, rows)


def told(
    newest: Sequence[Newest],
    embedded: Mapping[str, Vectors],
    scope: Scope,
    vectors: QueryVectors,
    weights: Weights,
    names: frozenset[str],
) -> Looked:
    """Return chunks as a look into a stack tells them."""
    rows = [one.row for one in newest]
    own = [embedded.get(row.id) for row in rows]
    return Looked(
        id=[row.id for row in rows],
        thread=[thread(row) for row in rows],
        sequence=[row.sequence for row in rows],
        day=[day_number(row.created_at.timestamp()) for row in rows],
        length=[length(row) for row in rows],
        asks=[asks(row) for row in rows],
        trust=[row.trust for row in rows],
        meant=[row.agent == scope.agent and scope.session in (None, row.session) for row in rows],
        named=[not names.isdisjoint(one.names) for one in newest],
        words=[_bm25(one.words, weights) for one in newest],
        cosine=_cosines(own, vectors.base),
        meaning=() if vectors.read is None else _cosines(own, vectors.read),
    )


def _cosines(rows: Sequence[Vectors | None], vector: Vectors) -> list[float | None]:
    return [None if row is None else float(row @ vector) for row in rows]


def _bm25(held: Counter[str], weights: Weights) -> float:
    held_back = weights.flat + weights.slope * held.total()
    return math.fsum(
        weight * held[word] / (held[word] + held_back) for word, weight in weights.words.items()
    )
