"""Answers out of documents: the passages that are near a query, and what they say word by word.

Without a model an answer is a quotation with its source, or the honest word that nothing fits.
Each agent's documents are read and indexed once per version, off the event loop.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from ..models.journal import Journal
from ..search.encoder import Encoder
from ..search.encoder import Vectors as Array
from ..search.index import SearchIndex
from ..search.query import QueryVectors
from ..search.reranking import Candidate, Reranking
from ..store.vectors import Vectors
from ..values import AgentResult, Citation, Scope
from .passages import Passage, read_passages, sentences
from .registry import Registered
from .sentences import coverage, stems

NEAR = 0.48
"""A passage of at least this score answers the query: see `_found`.

Chosen with MiniLM on tests/agents/questions.yaml: of 24 questions that the pages answer all but one
score 0.50 or more, of 24 others none more than 0.40.
"""
WORDS = 0.1
"""What it adds to the cosine if a passage holds all words of the query."""
CANDIDATES, PASSAGES = 10, 3
"""So many passages of the index are looked at closely; so many at most go to a model."""
QUOTE_CHARS = 500
"""A passage that is longer is quoted in part: the best sentence, and its neighbours."""
NEIGHBOUR = 0.5
"""A neighbour is quoted too if it has at least this share of the best sentence's cosine."""
SHELVES = 64
"""Agents whose indexes are kept; those asked for least recently are built again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A passage with its vector `(dim,)`; its sentences, and their vectors `(n_sentences, dim)`."""

    passage: Passage
    vector: Array
    parts: tuple[str, ...]
    vectors: Array

    def cosine(self, vector: Array) -> float:
        """Return the cosine with the passage or with its best sentence, whichever is more.

        A passage says several things, so that a query about one of them is nearer to a sentence.
        """
        return max(float(self.vector @ vector), float((self.vectors @ vector).max()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The passages of one agent by the id that they have in the index."""

    entries: Mapping[str, Entry]
    index: SearchIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A passage, and what of it answers: `score` tells if it is near, `rank` orders those found.

    They are the same unless an expert reads the query: then it ranks, and the base tells.

    `id` names it among the agent's passages; a source alone may have several.
    """

    id: str
    passage: Passage
    quote: str
    score: float
    rank: float

    @property
    def citation(self) -> Citation:
        """The words and where they stand."""
        return Citation(source=self.passage.source, quote=self.quote)


_Key: TypeAlias = tuple[str, str, int, tuple[str, ...]]


class DocumentLibrary:
    """Finds passages in the documents of agents; used on one event loop.

    `vectors` keeps the vectors of passages, so that they are encoded once and not per process.
    `reranking` puts what is near in order, where there is a cross-encoder.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        vectors: Vectors | None = None,
        reranking: Reranking | None = None,
    ) -> None:
        self._encoder = encoder
        self._vectors = vectors
        self._reranking = reranking
        self._shelves: OrderedDict[_Key, asyncio.Task[Shelf]] = OrderedDict()

    async def find(
        self,
        registered: Registered,
        scope: Scope,
        wish: str,
        journal: Journal | None = None,
        *,
        read: Array | None = None,
    ) -> tuple[Found, ...]:
        """Return up to `PASSAGES` passages that are near `wish`, the best first.

        `read` `(dim,)` is the wish as an expert reads it. Reranking is a step of `journal`; without
        one nothing is reranked.

        Raises:
            InvalidInput: a document is missing or can't be read.
        """
        shelf = await self._shelf(registered, scope)
        (vector,) = await self._encoder.aencode([wish])
        reranking = self._reranking if journal is not None else None
        looked_at = max(CANDIDATES, reranking.best) if reranking else CANDIDATES
        vectors = QueryVectors(vector, read)
        near = await asyncio.to_thread(_search, shelf, wish, vectors, looked_at)
        if reranking and journal:
            found = [
                Candidate(id=one.id, text=one.passage.searchable, score=one.rank) for one in near
            ]
            places = await reranking.places(wish, found, journal)
            near = tuple(sorted(near, key=lambda one: places.get(one.id, len(near))))
        return near[:PASSAGES]

    async def _shelf(self, registered: Registered, scope: Scope) -> Shelf:
        """Return the agent's shelf; who asks at the same time waits for the same one."""
        agent = registered.agent
        key = (scope.tenant, agent.name, registered.version, agent.documents)
        building = self._shelves.get(key)
        if building is None:
            building = asyncio.create_task(self._build(agent.documents, scope))
            building.add_done_callback(partial(self._drop_failed, key))
            self._shelves[key] = building
            if len(self._shelves) > SHELVES:
                self._shelves.popitem(last=False)
        self._shelves.move_to_end(key)
        return await asyncio.shield(building)

    def _drop_failed(self, key: _Key, building: asyncio.Task[Shelf]) -> None:
        if building.cancelled() or building.exception() is not None:
            self._shelves.pop(key, None)

    async def _build(self, documents: Sequence[str], scope: Scope) -> Shelf:
        passages = await asyncio.to_thread(read_passages, documents)
        parts = [tuple(sentences(passage.text)) for passage in passages]
        texts = [passage.searchable for passage in passages]
        lines = [
            "\n".join((*passage.headings[-1:], part))
            for passage, some in zip(passages, parts, strict=True)
            for part in some
        ]
        rows = await self._encoded([*texts, *lines], scope)
        index = SearchIndex()
        ids = [str(number) for number in range(len(passages))]
        await asyncio.to_thread(index.add, ids, texts, rows[: len(texts)])
        ends = np.cumsum([len(some) for some in parts])
        entries = {
            id_: Entry(passage=passage, vector=vector, parts=some, vectors=vectors)
            for id_, passage, vector, some, vectors in zip(
                ids,
                passages,
                rows[: len(texts)],
                parts,
                np.split(rows[len(texts) :], ends[:-1]),
                strict=True,
            )
        }
        return Shelf(entries=entries, index=index)

    async def _encoded(self, texts: Sequence[str], scope: Scope) -> Array:
        """Return `(len(texts), dim)` float32, from the store where it has them."""
        if self._vectors is None:
            return await self._encoder.aencode(texts)

        async def encode(new: Sequence[str]) -> list[bytes]:
            rows = np.asarray(await self._encoder.aencode(new), dtype=np.float32)
            return [row.tobytes() for row in rows]

        known = await self._vectors.remembered(scope, self._encoder.name, texts, encode)
        return np.stack([np.frombuffer(known[text], dtype=np.float32) for text in texts])


def _search(shelf: Shelf, wish: str, vectors: QueryVectors, k: int) -> tuple[Found, ...]:
    hits = shelf.index.search(wish, vectors.base, k)
    if vectors.read is not None:
        # Beside what the base finds: an expert changes what comes first, not whether there is any.
        hits += shelf.index.search(wish, vectors.read, k)
    wanted = stems(wish)
    found = [
        _found(id_, shelf.entries[id_], wanted, vectors)
        for id_ in dict.fromkeys(hit.id for hit in hits)
    ]
    near = [one for one in found if one.score >= NEAR]
    return tuple(sorted(near, key=lambda one: -one.rank))


def _found(id_: str, entry: Entry, wanted: frozenset[str], vectors: QueryVectors) -> Found:
    """Score a passage by its cosine, and by the share of the wanted words that it holds."""
    passage = entry.passage
    held = WORDS * coverage(wanted, stems(passage.searchable)) if wanted else 0.0
    score = entry.cosine(vectors.base) + held
    whole = len(passage.text) <= QUOTE_CHARS
    best = entry.vectors @ vectors.meaning
    return Found(
        id=f"{id_}: {passage.source}",
        passage=passage,
        quote=passage.text if whole else excerpt(passage.text, entry.parts, best),
        score=score,
        rank=score if vectors.read is None else entry.cosine(vectors.read) + held,
    )


def excerpt(text: str, parts: Sequence[str], scores: Array) -> str:
    """Return the best of `parts` with its better neighbours, up to `QUOTE_CHARS` of `text`.

    `parts` stand in `text` in this order; `scores` `(len(parts),)` say how well each answers.
    """
    spans: list[tuple[int, int]] = []
    for part in parts:
        begin = text.index(part, spans[-1][1] if spans else 0)
        spans.append((begin, begin + len(part)))
    first = last = int(np.argmax(scores))
    while first > 0 or last < len(parts) - 1:
        before = float(scores[first - 1]) if first > 0 else -np.inf
        after = float(scores[last + 1]) if last < len(parts) - 1 else -np.inf
        wider = (first - 1, last) if before > after else (first, last + 1)
        too_long = spans[wider[1]][1] - spans[wider[0]][0] > QUOTE_CHARS
        if too_long or max(before, after) < NEIGHBOUR * scores.max():
            break
        first, last = wider
    return text[spans[first][0] : spans[last][1]]


def quoted(agent: str, found: Sequence[Found]) -> AgentResult:
    """Return the best of what was found, word by word with its source, or that nothing fits."""
    if not found:
        text = f"Nothing in the documents of {agent} is near enough to answer this."
        return AgentResult(agent=agent, text=text, answered=False)
    best = found[0]
    return AgentResult(
        agent=agent,
        text=f"{best.quote}\n\nSource: {best.passage.source}",
        citations=(best.citation,),
    )


def cited(agent: str, text: str, found: Sequence[Found]) -> AgentResult:
    """Return what a model wrote, with the passages that it names by number."""
    citations = (one.citation for number, one in enumerate(found, 1) if f"[{number}]" in text)
    return AgentResult(agent=agent, text=text, citations=tuple(citations))
