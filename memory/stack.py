"""The stack of one user: candidates that PostgreSQL finds, ranked as the chunks of a shelf are.

Candidates are the nearest in meaning, the best by words, and the nearest of the writers and days
that the query names; the best of them, with those around them, are ranked by the signals of
`ranking.py`. What a shelf compares with all chunks is estimated: the spread of cosines from a
sample, that of BM25 from how many chunks hold each word. Chunks that are not stacked yet are read,
and are candidates all.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..search.encoder import Vectors
from ..search.hits import top
from ..search.query import QueryVectors
from ..store.chunks import ChunkRow
from ..store.engine import Store
from ..store.stacked import NOT_STACKED, Looked, StackState
from ..values import Scope
from .asked import Asked
from .embedding import Embedder
from .ranking import LOW, TOLD_WITHIN_DAYS, Days, Floats, Signal, signals, weighted
from .sheet import Sheet, lay_out
from .shelf import Found, hits, holds
from .tail import Newest, Tail, told

if TYPE_CHECKING:
    from ..store.look import Look
    from ..store.stacks import Stacks

NEAR, SAID, NAMED, OF_DAYS = 400, 400, 200, 200
"""Candidates of each kind."""
BEST = 300
"""Candidates whose surroundings are looked at."""

_MOST_TAIL = 2_000
_MOST_SPANS = 3
_SAMPLE = 400
_GROWN = 1.25
"""A sample is drawn again when the memory has grown by this factor."""


class Stack:
    """Finds in the chunks of one tenant and user. Blocking; may be used from any thread."""

    def __init__(self, owner: Scope, store: Store, stacks: Stacks, embedder: Embedder) -> None:
        self._owner = owner
        self._store = store
        self._stacks = stacks
        self._embedder = embedder
        self._tail = Tail(owner, store, embedder)
        self._sample: Vectors = np.zeros((0, embedder.dim), np.float32)
        self._sampled_at = 0
        self._state = NOT_STACKED
        self._agents: frozenset[str] = frozenset()
        self._agents_at = -1
        self.known = False
        """Whether the database was looked at."""

    def stands_for(self, in_process: int) -> bool:
        """Look how far it has come; return whether it is to be asked.

        That is if the memory has more than `in_process` chunks, and not many are not stacked.
        """
        self._state = state = self._stacks.state(self._owner)
        tail = max(in_process, _MOST_TAIL)
        return state.mark.sequence > in_process and state.chunks > 0 and state.behind <= tail

    def has(self, agent: str) -> bool:
        """Return whether anything was for this agent alone when the stack was last searched.

        The first time the database is looked at.
        """
        if not self.known:
            state = self._state
            self._note_agents(state, self._tail.follow(state)[0])
        return agent in self._agents

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
        the query names. What was stored is found as of the last `stands_for`.
        """
        state = self._state
        newest, embedded = self._tail.follow(state)
        self._note_agents(state, newest)
        self._draw(state)
        with self._stacks.looking(
            scope, self._embedder.encoder, vectors.base, read=vectors.read, most=NEAR
        ) as look:
            asked = Asked(query, look, state, newest)
            tail = told(newest, embedded, scope, vectors, asked.weights, asked.names)
            sheet = self._gather(look, scope, asked, vectors, days, tail)
        columns, cosines = self._signals(sheet, asked, vectors, days)
        scores = np.where(sheet.meant, weighted(columns, LOW), -np.inf)
        places = top(scores, min(k, int(sheet.meant.sum())))
        found = dict(
            zip(
                [sheet.ids[place] for place in places],
                hits(places, scores, cosines, sheet.words, columns),
                strict=True,
            )
        )
        return [found[row.id](row) for row in self.rows(tuple(found)) if holds(row, now)]

    def rows(self, ids: Sequence[str]) -> list[ChunkRow]:
        """Return the chunks in the order of `ids`, without those that are gone or replaced."""
        rows = self._store.chunks.get(self._owner, ids)
        return [row for row in rows if row.superseded_by is None]

    def _gather(
        self,
        look: Look,
        scope: Scope,
        asked: Asked,
        vectors: QueryVectors,
        days: Sequence[Days],
        tail: Looked,
    ) -> Sheet:
        """Return candidates with those around the best of them."""
        look.weigh(asked.weights, tuple(asked.names))
        parts = [*_candidates(look, scope, asked, days), tail]
        sheet = lay_out(parts)
        alone = weighted(self._signals(sheet, asked, vectors, days)[0], LOW)
        best = top(np.where(sheet.meant, alone, np.nan), BEST)
        # Of the tail all are here, but those before its first ones are not.
        known, places = set(sheet.ids), [(sheet.ids[place], sheet.places[place]) for place in best]
        places += zip(tail.id, zip(tail.thread, tail.sequence, strict=True), strict=True)
        beside: set[tuple[str, str]] = set()
        around: set[str] = set()
        beside.update(_neighbours(tail))
        for (id_, _), (before, after) in zip(
            places, look.around([place for _, place in places]), strict=True
        ):
            beside.update((earlier, later) for later, earlier in pairwise((id_, *before)))
            beside.update(pairwise((id_, *after)))
            around.update(before, after)
        missing = tuple(around - known)
        return lay_out([*parts, look.read(missing)], beside)

    def _signals(
        self, sheet: Sheet, asked: Asked, vectors: QueryVectors, days: Sequence[Days]
    ) -> tuple[dict[Signal, Floats], Floats]:
        """Return the signals, and the cosines: where there is no vector, the usual one."""
        usual, _ = self._usual(vectors.base)
        mean, deviation = self._usual(vectors.meaning)
        cosines = np.where(np.isnan(sheet.cosine), usual, sheet.cosine)
        meaning = np.where(np.isnan(sheet.meaning), mean, sheet.meaning)
        named = sheet.named.astype(np.float64) if asked.names else np.full(len(cosines), 0.5)
        columns = signals(
            sheet.layout,
            words=_standard(sheet.words, *asked.spread()),
            meaning=_standard(meaning, mean, deviation),
            named=named,
            days=days,
        )
        return columns, cosines

    def _usual(self, vector: Vectors) -> tuple[float, float]:
        """Return the mean of the cosines of all chunks with a query, and their deviation."""
        cosines = self._sample @ vector
        return (float(cosines.mean()), float(cosines.std())) if len(cosines) else (0.0, 0.0)

    def _draw(self, state: StackState) -> None:
        """Draw chunks whose cosines tell how those of all are spread."""
        if state.mark.sequence <= _GROWN * self._sampled_at:
            return
        newest = state.mark.sequence
        drawn = random.Random(0).sample(range(1, newest + 1), min(_SAMPLE, newest))
        blobs = self._store.chunks.sampled(self._owner, self._embedder.encoder, drawn)
        if blobs:
            self._sample = np.frombuffer(b"".join(blobs), "<f4").reshape(len(blobs), -1)
        self._sampled_at = newest

    def _note_agents(self, state: StackState, newest: Sequence[Newest]) -> None:
        if self._agents_at != state.sequence:
            self._agents = self._stacks.agents(self._owner)
            self._agents_at = state.sequence
        self._agents |= {one.row.agent for one in newest if one.row.agent is not None}
        self.known = True


def _candidates(look: Look, scope: Scope, asked: Asked, days: Sequence[Days]) -> Iterator[Looked]:
    narrow = scope.session is not None or scope.agent is not None
    yield look.near(NEAR, among=None if narrow else asked.n)
    if rare := asked.rare_words:
        yield look.said(SAID, rare)
    if asked.names:
        among = None if narrow else asked.named
        yield look.near(NAMED, among=among, names=tuple(asked.names))
    for span in days[:_MOST_SPANS]:
        within = (span.first, span.last + TOLD_WITHIN_DAYS)
        yield look.near(OF_DAYS, among=None if narrow else asked.n, days=within)


def _neighbours(tail: Looked) -> Iterator[tuple[str, str]]:
    """Yield the ids of chunks of the tail between which nothing was said in their thread."""
    by_thread: dict[str, list[tuple[int, str]]] = {}
    for thread, sequence, id_ in zip(tail.thread, tail.sequence, tail.id, strict=True):
        by_thread.setdefault(thread, []).append((sequence, id_))
    for said in by_thread.values():
        yield from pairwise(id_ for _, id_ in sorted(said))


def _standard(values: Floats, mean: float, deviation: float) -> Floats:
    return (values - mean) / deviation if deviation else np.zeros_like(values)
