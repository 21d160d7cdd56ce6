"""Recall: makes a memo at query time of what was said before and has to do with the query.

What is recalled comes from all sessions of the same tenant and user, and from what all users of the
tenant share; never from anybody else. What is for one agent alone is recalled for that one. The
last exchanges of the current session reach the agents as history; the memo does not say them again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from ..models.journal import Journal
from ..search.encoder import Vectors
from ..search.experts.lineup import Corpus
from ..search.query import QueryVectors
from ..search.reranking import Candidate, Reranking
from ..store.chunks import ChunkRow
from ..store.engine import Store
from ..values import EVERYONE, Exchange, Memo, MemoryBudget, MemoryModule, Scope, Tier, TierPolicy
from .archive import chunk_id
from .days import named_days
from .embedding import Embedder
from .library import Library
from .modules.asking import Price, unpriced
from .modules.base import Passage, Reading, Request, Seen
from .modules.filter import Filtered, Sifting, keep_ranked
from .modules.purse import Purse
from .modules.summary import Summing, quote_passages
from .modules.words import share, stems
from .shelf import SIMILARITY_FLOOR, Found, holds
from .tiers import build_modules

if TYPE_CHECKING:
    from ..config import MemorySettings

SHARE_FLOOR = 0.5
"""A memory has to do with a query if one of its chunks has this share of its words, or is as alike
as SIMILARITY_FLOOR says."""
CANDIDATES = 64
"""Chunks that the filter is shown. On LoCoMo 0-5 as good as 96, and as all of a conversation."""

_SPARE = 1.5
"""So much more is kept than the memo has room for: some passages are too long for what is left."""
_CHUNKS_OF_A_RUN = 8
_SHORT_TOKENS = 64


Read: TypeAlias = Mapping[Corpus, Vectors]
"""A query's vectors `(dim,)` as experts read it, by what it is compared with."""
NOBODY_READ: Read = MappingProxyType({})
RECALLED: tuple[Corpus, ...] = ("memory", "knowledge")
"""What is recalled, as experts are chosen for it."""


class Recall:
    """Finds what a user said before and runs the five modules over it.

    Args:
        store: the open database, the one truth about what is remembered.
        embedder: the one that embeds the chunks; its encoder embeds the queries.
        settings: memo size; with `enabled` False nothing is recalled.
        clock: returns the present instant, timezone-aware.
        price: tells what tokens of a configured model cost.
        reranking: puts the best candidates in order before the modules see them.
    """

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        settings: MemorySettings,
        clock: Callable[[], datetime],
        price: Price = unpriced,
        reranking: Reranking | None = None,
    ) -> None:
        self._embedder = embedder
        self._settings = settings
        self._clock = clock
        self._reranking = reranking
        self._library = Library(store, embedder, in_process=settings.in_process_chunks)
        self._modules = build_modules(settings, price, embedder.count_many)

    def forget(self) -> None:
        """Forget what was read of users' memories; it is read again."""
        self._library.forget()

    async def memo(
        self,
        scope: Scope,
        query: str,
        vector: Vectors,
        *,
        read: Read = NOBODY_READ,
        budget: MemoryBudget,
        policy: TierPolicy,
        journal: Journal,
        history: Sequence[Exchange] = (),
        limit_usd: Decimal | None = None,
        without: Collection[str] = (),
    ) -> Memo:
        """Make a memo of what was said before and has to do with `query`.

        Every module is a step of `journal`. Where nothing has to do with the query no module runs
        and the memo is empty.

        Args:
            scope: whose memory is meant; its session does not narrow.
            query: the query as it was asked.
            vector: its embedding, (dim,) float32, normalised.
            read: what experts make of it, where one reads it.
            budget: what the caller allows; `policy` is shown it before each module.
            policy: chooses the tier of each module.
            journal: the journal of the step that recalls.
            history: the exchanges that the agents are told anyway; their runs are left out.
            limit_usd: what the modules may cost together; None: no limit but the turn's.
            without: runs of which nothing is recalled.
        """
        if not self._settings.enabled:
            return Memo()
        told = frozenset([*without, *(exchange.run_id for exchange in history)])
        owners, passages = await asyncio.to_thread(self._search, scope, query, vector, read, told)
        if not passages:
            return Memo()
        passages = await self._reranked(query, passages, journal)
        request = Request(
            query=query,
            budget=budget,
            policy=policy,
            journal=journal,
            purse=Purse(limit_usd),
            query_vector=vector.tolist(),
        )
        sifting = self._sifting(query, owners, passages, self._settings.memo_tokens)
        sifted = await self._modules.filter.run(sifting, request, self._seen(owners, passages))
        kept = await asyncio.to_thread(self._kept, owners, passages, sifted.found)
        if not kept:
            return Memo(tiers={"filter": sifted.tier})
        return await self._summed(owners, kept, request, sifted.tier)

    async def has_own(self, scope: Scope, agent: str) -> bool:
        """Return whether anything was remembered for this agent alone at the last recall."""
        if not self._settings.enabled:
            return False
        memories = [self._library.of(one) for one in (scope.owner, scope.everyone)]
        if all(one.known for one in memories):
            return any(one.has(agent) for one in memories)
        return await asyncio.to_thread(lambda: any(one.has(agent) for one in memories))

    async def own_memo(
        self,
        scope: Scope,
        query: str,
        vector: Vectors,
        agent: str,
        memo: Memo,
        *,
        read: Read = NOBODY_READ,
    ) -> Memo:
        """Return `memo` below what is remembered for this agent alone; rules make it, no model.

        It takes half as many tokens as a memo may have, and is numbered after `memo`.
        """
        mine = replace(scope, agent=agent)
        return await asyncio.to_thread(self._own_above, mine, query, vector, read, memo)

    async def search(
        self, scope: Scope, query: str, vector: Vectors, *, k: int, read: Read = NOBODY_READ
    ) -> tuple[Found, ...]:
        """Return the chunks of a scope that have most to do with `query`; no module runs.

        With a session only those of it; with an agent only what is for it alone.
        """
        found = await asyncio.to_thread(self._find, scope, query, vector, read, k)
        return tuple(one for one in found if one.near)

    async def _summed(
        self,
        owners: Sequence[Scope],
        kept: tuple[Passage, ...],
        request: Request,
        filter_tier: Tier,
    ) -> Memo:
        reading = Reading(query=request.query, passages=kept)
        seen = self._seen(owners, kept)
        entities, times, topics = await asyncio.gather(
            self._modules.entities.run(reading, request, seen),
            self._modules.times.run(reading, request, seen),
            self._modules.topics.run(reading, request, seen),
        )
        summing = Summing(
            query=request.query,
            passages=kept,
            memo_tokens=self._settings.memo_tokens,
            count_many=self._embedder.count_many,
            entities=entities.found,
            times=times.found,
            topics=topics.found,
        )
        found_before = (entities.found.texts, times.found.texts, topics.found.texts)
        findings = tuple("; ".join(texts) for texts in found_before if texts)
        if findings:
            seen = Seen(findings, partial(self._embedder.mean, findings))
        summary = await self._modules.summary.run(summing, request, seen)
        tiers: Mapping[MemoryModule, Tier] = {
            "filter": filter_tier,
            "entities": entities.tier,
            "times": times.tier,
            "topics": topics.tier,
            "summary": summary.tier,
        }
        found = summary.found
        return Memo(text=found.text, chunk_ids=found.chunk_ids, tokens=found.tokens, tiers=tiers)

    def _own_above(self, mine: Scope, query: str, vector: Vectors, read: Read, memo: Memo) -> Memo:
        owners, passages = self._search(mine, query, vector, read, frozenset())
        room = self._settings.memo_tokens // 2
        sifting = self._sifting(query, owners, passages, room)
        summing = Summing(
            query=query,
            passages=self._kept(owners, passages, keep_ranked(sifting)),
            memo_tokens=room,
            count_many=self._embedder.count_many,
            first=len(memo.chunk_ids) + 1,
        )
        own = quote_passages(summing)
        if not own.text:
            return memo
        return Memo(
            text="\n\n".join(text for text in (own.text, memo.text) if text),
            chunk_ids=(*memo.chunk_ids, *own.chunk_ids),
            tokens=memo.tokens + own.tokens,
            tiers=memo.tiers,
        )

    def _find(self, scope: Scope, query: str, vector: Vectors, read: Read, k: int) -> list[Found]:
        now = self._clock()
        vectors = QueryVectors(vector, read.get(corpus_of(scope)))
        return self._library.of(scope.owner).find(
            scope, query, vectors, k=k, now=now, days=named_days(query, now)
        )

    def _search(
        self, scope: Scope, query: str, vector: Vectors, read: Read, told: frozenset[str]
    ) -> tuple[tuple[Scope, ...], tuple[Passage, ...]]:
        """Return the best candidates and whose they are; none if nothing has to do with it."""
        words, now = stems(query), self._clock()
        days = named_days(query, now)
        k = CANDIDATES + _CHUNKS_OF_A_RUN * len(told)
        owners: list[Scope] = []
        untold: list[Found] = []
        for owner in (scope.owner, scope.everyone):
            meant = replace(owner, agent=scope.agent)
            vectors = QueryVectors(vector, read.get(corpus_of(owner)))
            some = self._library.of(owner).find(meant, query, vectors, k=k, now=now, days=days)
            if some:
                owners.append(owner)
            untold += [one for one in some if one.row.run_id not in told]
        untold.sort(key=lambda one: -one.relevance)
        if not any(_has_to_do(one, words) for one in untold):
            return (), ()
        near = (_passage(one.row, one) for one in untold if one.near)
        return tuple(owners), tuple(islice(near, CANDIDATES))

    async def _reranked(
        self, query: str, passages: tuple[Passage, ...], journal: Journal
    ) -> tuple[Passage, ...]:
        """Return the passages with the places that a cross-encoder gives them, if there is one."""
        if self._reranking is None:
            return passages
        found = [Candidate(id=p.id, text=p.text, score=p.relevance or 0.0) for p in passages]
        places = await self._reranking.places(query, found, journal)
        return tuple(replace(one, place=places.get(one.id)) for one in passages)

    def _sifting(
        self, query: str, owners: Sequence[Scope], passages: tuple[Passage, ...], room: int
    ) -> Sifting:
        return Sifting(
            query=query,
            passages=passages,
            keep=self._settings.top_k,
            tokens=round(_SPARE * room),
            likeness=partial(self._likeness, owners, query),
        )

    def _seen(self, owners: Sequence[Scope], passages: Sequence[Passage]) -> Seen:
        ids = [one.id for one in passages]
        mean = partial(asyncio.to_thread, self._embedder.mean_of_stored, owners, ids)
        return Seen(tuple(one.text for one in passages), mean)

    async def _likeness(
        self, owners: Sequence[Scope], query: str, ids: Sequence[str]
    ) -> dict[str, float]:
        reading = await self._embedder.read(query)
        return await asyncio.to_thread(self._embedder.similarities, owners, reading, ids)

    def _kept(
        self, owners: Sequence[Scope], passages: tuple[Passage, ...], filtered: Filtered
    ) -> tuple[Passage, ...]:
        """Return the passages kept, each with the other side of its exchange.

        A question without its answer, or an answer without its question, means little. A short one
        follows what it belongs to, a long one comes last, where there may be room.
        """
        by_id = {passage.id: passage for passage in passages}
        # A resumed turn may have kept what was deleted since: it stays deleted.
        kept = [
            replace(by_id[one.chunk_id], relevance=one.score)
            for one in filtered.kept
            if one.chunk_id in by_id
        ]
        beside = {one: passage for passage in kept for one in _beside(passage.id)}
        wanted = tuple(one for one in beside if one not in {passage.id for passage in kept})
        now = self._clock()
        follows: dict[str, list[Passage]] = {}
        last: list[Passage] = []
        rows = (row for owner in owners for row in self._library.of(owner).rows(wanted))
        for row in rows:
            near = beside[row.id]
            if row.trust == near.trust or row.agent != near.agent or not holds(row, now):
                continue
            other = replace(_passage(row), relevance=(near.relevance or 0.0) / 2)
            if row.tokens <= _SHORT_TOKENS:
                follows.setdefault(near.id, []).append(other)
            else:
                last.append(other)
        ordered = [one for passage in kept for one in (passage, *follows.get(passage.id, ()))]
        return (*ordered, *last)


def corpus_of(owner: Scope) -> Corpus:
    """Return what a memory is as experts see it."""
    return "knowledge" if owner.user == EVERYONE else "memory"


def _has_to_do(found: Found, words: frozenset[str]) -> bool:
    if found.similarity >= SIMILARITY_FLOOR:
        return True
    return found.matched and share(words, found.row.text) >= SHARE_FLOOR


def _beside(chunk: str) -> tuple[str, ...]:
    """Return the ids of the chunks before and after one in its run."""
    run_id, _, number = chunk.rpartition(".")
    if not number.isdigit():
        return ()
    places = (int(number) - 1, int(number) + 1)
    return tuple(chunk_id(run_id, place) for place in places if place >= 0)


def _passage(row: ChunkRow, found: Found | None = None) -> Passage:
    return Passage(
        id=row.id,
        text=row.text,
        writer=row.writer,
        trust=row.trust,
        created_at=row.created_at,
        tokens=row.tokens,
        agent=row.agent,
        relevance=found.relevance if found else None,
        similarity=found.similarity if found else None,
        signals=found.signals if found else {},
    )
