"""Conversations in a memory of their own, and what is recalled of them for a question."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path

from ..config import MemorySettings, Settings
from ..memory.archive import Archive
from ..memory.chunks import Turn
from ..memory.embedding import Embedder
from ..memory.recall import Recall
from ..memory.shelf import Found
from ..memory.stacking import Stacking
from ..models.chat import ChatModel, ChatReply
from ..models.gateway import Gateway
from ..models.prices import PriceBook
from ..models.replies import KnownReplies, Replies
from ..models.unrecorded import UnrecordedJournal
from ..search import one_thread
from ..search.encoders import load_encoder
from ..search.recent import RecentEncoder
from ..store.engine import Store
from ..values import Memo, MemoryBudget, Reservation, Scope, TierPolicy, Usage, total_cost
from .sets.conversation import Conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """What was recalled for one question, and what that took: `latency_s` as without a cache."""

    memo: Memo
    input_tokens: int
    output_tokens: int
    calls: int
    cost_usd: Decimal | None
    latency_s: float


class ConversationMemory:
    """Memories of conversations in one database; each conversation is a user of its own.

    `replies` keeps what models answered, so that every question is paid once.
    """

    def __init__(
        self,
        settings: Settings,
        memory: MemorySettings,
        database_url: str,
        *,
        replies: Path,
        models: Mapping[str, ChatModel] | None = None,
    ) -> None:
        self.store = Store.open(database_url)
        self.encoder = RecentEncoder(load_encoder(settings.encoder, settings.cache_dir))
        self.embedder = Embedder(self.store, self.encoder)
        self.gateway = Gateway(
            settings.models,
            prices=PriceBook.bundled(),
            cache_dir=settings.cache_dir,
            replacements=models,
        )
        self._archive = Archive(self.store, self.embedder, memory, _now)
        self.stacking = Stacking(self.store, in_process=memory.in_process_chunks)
        self._recall = Recall(self.store, self.embedder, memory, _now, self.gateway.cost_usd)
        self._replies = Replies(replies)
        one_thread.hold()

    async def store_all(self, conversations: Iterable[Conversation]) -> None:
        """Store conversations, and wait until they are embedded."""
        for conversation in conversations:
            await self.store_one(conversation)
        await self.settle()

    async def store_one(self, conversation: Conversation) -> None:
        """Store a conversation, session by session; it is embedded in the background."""
        for session, said in groupby(conversation.turns, lambda turn: turn.session):
            turns = [
                Turn(writer=one.speaker, text=one.text, created_at=one.said_at, trust=1.0)
                for one in said
            ]
            scope = Scope(user=conversation.name, session=session)
            await self._archive.add(scope, f"{conversation.name}-{session}", turns)

    async def settle(self) -> None:
        """Wait until everything is embedded."""
        await self._archive.settle()

    async def recall(
        self, conversation: str, question: str, policy: TierPolicy, budget: MemoryBudget = "auto"
    ) -> Recalled:
        """Make a memo for a question about a conversation."""
        (reading,) = await self.encoder.aread([question])
        journal = KnownReplies(UnrecordedJournal(self.gateway, _NoMeter()), self._replies)
        started = time.perf_counter()
        memo = await self._recall.memo(
            Scope(user=conversation),
            question,
            reading.vector,
            budget=budget,
            policy=policy,
            journal=journal,
        )
        latency_s = time.perf_counter() - started + journal.saved_s
        return _recalled(memo, journal.replies, latency_s)

    async def found(self, user: str, question: str, *, k: int) -> tuple[Found, ...]:
        """Return what is found in a memory for a question, before any module reads it."""
        (reading,) = await self.encoder.aread([question])
        return await self._recall.search(Scope(user=user), question, reading.vector, k=k)

    async def ask(self, model: str, question: str, memo: str) -> tuple[str, Usage]:
        """Return a model's answer from a memo."""
        from .answering import answer_request

        journal = KnownReplies(UnrecordedJournal(self.gateway, _NoMeter()), self._replies)
        reply = await journal.ask(model, answer_request(question, memo), key="answer")
        return reply.text.strip(), reply.usage

    async def close(self) -> None:
        """Close everything."""
        await self._archive.close()
        await self.gateway.close()
        await asyncio.to_thread(self.store.close)
        self._replies.close()
        one_thread.release()


class _NoMeter:
    """No limit: what is measured is what it costs."""

    async def reserve(self, amount_usd: Decimal | None, *, model: str) -> Reservation:
        return Reservation(id=model, amount_usd=amount_usd)

    async def settle(self, reservation: Reservation, usage: Usage) -> None:
        return

    async def release(self, reservation: Reservation) -> None:
        return


def _recalled(memo: Memo, replies: Sequence[ChatReply], latency_s: float) -> Recalled:
    usages = [reply.usage for reply in replies]
    return Recalled(
        memo=memo,
        input_tokens=sum(usage.input_tokens or 0 for usage in usages),
        output_tokens=sum(usage.output_tokens or 0 for usage in usages),
        calls=len(replies),
        cost_usd=total_cost(usages),
        latency_s=latency_s,
    )


def _now() -> datetime:
    return datetime.now(UTC)
