"""Measures memory: how much of what answers a question stands in the memo, and what that costs.

A turn counts as recalled only if its text stands in the memo. Simple means stand beside: nothing,
the whole conversation, and what BudgetMem's released code retrieves (`naive`: cosines of packed
chunks). Policies that were trained are named as files; `oracle` takes for each question the method
that did best, the cheapest of them.
"""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import numpy as np

from ..config import MemorySettings, Settings, load_settings
from ..errors import InvalidInput
from ..memory.chunks import dated
from ..models.chat import ChatModel
from ..models.prices import read_prices
from ..router.budget import FixedPolicy, LearnedPolicy, RandomPolicy, load_any_policy
from ..values import (
    JSON,
    MEMORY_MODULES,
    TIERS,
    Memo,
    MemoryModule,
    Strategy,
    Tier,
    TierPolicy,
)
from .answering import exact_match, found_share, token_f1
from .conversation_memory import ConversationMemory, Recalled
from .metrics import Interval, mean_interval, quantile
from .sets.conversation import Conversation, MemoryQuestion
from .sets.conversations import load_conversations

FREE = ("none", "full", "naive", "low", "mid")
"""Methods that ask no model where the strategy is `implementation`."""
METHODS = (*FREE, "high", "random")
_PACKED_TOKENS, _NAIVE_CHUNKS = 256, 10
_LINE_MARKS = re.compile(r"^(?:> |\[\d+\] )", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySetup:
    """What is measured. `limit` questions are drawn of each conversation, by a fixed seed.

    `answering` is the model that answers from the memo; None: nothing is answered. `policies` are
    files of trained policies; `replies` is where the answers of models are kept.
    `database_url` None: a database of its own; `in_process_chunks` None: as the settings say.
    """

    strategy: Strategy = "implementation"
    model: str = "main"
    answering: str | None = None
    memo_tokens: int = 512
    limit: int | None = None
    methods: Sequence[str] = FREE
    policies: Sequence[Path] = ()
    replies: Path | None = None
    database_url: str | None = None
    in_process_chunks: int | None = None
    config: Path | None = None
    models: Mapping[str, ChatModel] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One question by one method."""

    question: MemoryQuestion
    recalled: Recalled
    evidence: float | None
    in_memo: float
    f1: float | None = None
    exact: bool | None = None


@dataclass(slots=True)
class _Bench:
    desk: ConversationMemory
    setup: MemorySetup
    found: dict[str, list[Answered]] = field(default_factory=dict)


Told = Callable[[str, int, int], None]


def measure_memory(
    data: Path | None, name: str, chosen: Sequence[int], setup: MemorySetup, told: Told
) -> dict[str, JSON]:
    """Return `{"rows": [...]}`, a row per method; `chosen` are the numbers of conversations.

    Raises:
        ConfigurationError: the data is not there, or a policy can't be read.
        UnknownName: there is no such set or model.
    """
    conversations = draw_conversations(data, name, chosen, setup.limit)
    with tempfile.TemporaryDirectory(prefix="callboard-bench-") as folder:
        found = asyncio.run(_measure(conversations, setup, Path(folder), told))
    return {
        "set": name,
        "conversations": list(chosen),
        "strategy": setup.strategy,
        "model": setup.model,
        "answering": setup.answering,
        "memo_limit": setup.memo_tokens,
        "limit": setup.limit,
        "rows": [_row(method, answered) for method, answered in found.items()],
    }


def draw_conversations(
    data: Path | None, name: str, chosen: Sequence[int], limit: int | None
) -> list[Conversation]:
    """Read the conversations of these numbers, each with `limit` questions by a fixed draw.

    Raises:
        ConfigurationError: the data is not there.
        InvalidInput: there is no conversation of such a number.
        UnknownName: there is no such set.
    """
    everything = load_conversations(data, name)
    for number in chosen:
        if number >= len(everything):
            raise InvalidInput(
                f"There is no conversation {number}: {name} has 0 to {len(everything) - 1} here."
            )
    return [_drawn(everything[number], limit) for number in chosen]


async def _measure(
    conversations: Sequence[Conversation], setup: MemorySetup, folder: Path, told: Told
) -> dict[str, list[Answered]]:
    desk = open_desk(setup, folder)
    bench = _Bench(desk, setup)
    try:
        told("Storing the conversations", 0, 1)
        await desk.store_all(conversations)
        policies = _policies(setup, desk)
        for method in (*setup.methods, *policies):
            recall = _recaller(method, policies, bench, conversations)
            await _answer_all(method, recall, bench, conversations, told)
    finally:
        await desk.close()
    tiered = [m for m in bench.found if m not in ("none", "full", "naive")]
    if len(tiered) > 1:
        bench.found["oracle"] = list(_oracle([bench.found[method] for method in tiered]))
    return bench.found


def open_desk(setup: MemorySetup, folder: Path) -> ConversationMemory:
    """Return a desk for the setup, with its database in `folder`."""
    settings = _priced(load_settings(setup.config))
    memory = settings.memory.model_copy(
        update={
            "memo_tokens": setup.memo_tokens,
            "strategy": setup.strategy,
            "model": setup.model,
            "top_k": MemorySettings.model_fields["top_k"].default,
            "in_process_chunks": settings.memory.in_process_chunks
            if setup.in_process_chunks is None
            else setup.in_process_chunks,
        }
    )
    replies = setup.replies or settings.cache_dir / "bench" / "replies.db"
    return ConversationMemory(
        settings,
        memory,
        setup.database_url or f"sqlite:///{folder / 'memory.db'}",
        replies=replies,
        models=setup.models,
    )


def _priced(settings: Settings) -> Settings:
    """Return the settings with the paper's prices for models of its names that have none."""
    prices, _ = read_prices(Path(__file__).parent / "data" / "prices.yaml")
    models = {
        name: model.model_copy(update={"price": prices[name]})
        if name in prices and model.price is None
        else model
        for name, model in settings.models.items()
    }
    return settings.model_copy(update={"models": models})


def _policies(setup: MemorySetup, desk: ConversationMemory) -> dict[str, TierPolicy]:
    found: dict[str, TierPolicy] = {}
    for file in setup.policies:
        policy = load_any_policy(file)
        weight = policy.card.get("cost_weight") if isinstance(policy, LearnedPolicy) else None
        name = f"learned at {weight}" if weight is not None else "bandit"
        found[f"{name}, {file}" if name in found else name] = policy
    return found


Recaller = Callable[[Conversation, MemoryQuestion], Awaitable[Recalled]]


def _recaller(
    method: str,
    policies: Mapping[str, TierPolicy],
    bench: _Bench,
    conversations: Sequence[Conversation],
) -> Recaller:
    desk, setup = bench.desk, bench.setup
    if method == "none":
        return _plain(lambda conversation, question: "", desk)
    if method == "full":
        return _plain(lambda conversation, question: _whole(conversation), desk)
    if method == "naive":
        naive = _Naive(conversations, desk, setup.memo_tokens)
        return _plain(naive.memo, desk)
    policy = policies.get(method)
    if policy is None:
        policy = RandomPolicy() if method == "random" else FixedPolicy(_tier(method))

    async def recall(conversation: Conversation, question: MemoryQuestion) -> Recalled:
        return await desk.recall(conversation.name, question.text, policy)

    return recall


def _tier(method: str) -> Tier:
    return next(tier for tier in TIERS if tier == method)


def _plain(
    text: Callable[[Conversation, MemoryQuestion], str], desk: ConversationMemory
) -> Recaller:
    async def recall(conversation: Conversation, question: MemoryQuestion) -> Recalled:
        loop = asyncio.get_running_loop()
        started = loop.time()
        memo = text(conversation, question)
        return Recalled(
            memo=Memo(text=memo, tokens=desk.encoder.count_tokens(memo)),
            input_tokens=0,
            output_tokens=0,
            calls=0,
            cost_usd=Decimal(0),
            latency_s=loop.time() - started,
        )

    return recall


async def _answer_all(
    method: str,
    recall: Recaller,
    bench: _Bench,
    conversations: Sequence[Conversation],
    told: Told,
) -> None:
    total = sum(len(one.questions) for one in conversations)
    answered = bench.found.setdefault(method, [])
    for conversation in conversations:
        for question in conversation.questions:
            recalled = await recall(conversation, question)
            judged = judge(conversation, question, recalled)
            if bench.setup.answering is not None:
                text, _ = await bench.desk.ask(
                    bench.setup.answering, question.text, recalled.memo.text
                )
                judged = replace(
                    judged,
                    f1=token_f1(text, question.answer),
                    exact=exact_match(text, question.answer),
                )
            answered.append(judged)
            told(method, len(answered), total)


def judge(conversation: Conversation, question: MemoryQuestion, recalled: Recalled) -> Answered:
    """Return how much of a question's evidence and answer stands in the memo."""
    memo = _squeezed(_LINE_MARKS.sub("", recalled.memo.text))
    texts = {turn.id: turn.text for turn in conversation.turns}
    evidence = [_squeezed(texts[turn]) in memo for turn in question.evidence]
    return Answered(
        question=question,
        recalled=recalled,
        evidence=sum(evidence) / len(evidence) if evidence else None,
        in_memo=found_share(question.answer, memo),
    )


def reward(answered: Answered) -> float:
    """Return what a memo is worth, 0..1: how much of the answer and of its evidence it holds."""
    parts = [answered.in_memo, *([answered.evidence] if answered.evidence is not None else [])]
    return sum(parts) / len(parts)


def _oracle(methods: Sequence[Sequence[Answered]]) -> Iterator[Answered]:
    for same in zip(*methods, strict=True):
        yield max(same, key=lambda one: (reward(one), -(one.recalled.cost_usd or 0)))


# Simple means ----------------------------------------------------------------------------------


def _whole(conversation: Conversation) -> str:
    return "\n".join(
        f"{one.said_at:%d %B %Y} {one.speaker}: {one.text}" for one in conversation.turns
    )


class _Naive:
    """What BudgetMem's released code retrieves: the ten chunks of the highest cosine.

    Chunks are whole turns of a session packed to 256 tokens; here those stay that fit the memo.
    """

    def __init__(
        self, conversations: Sequence[Conversation], desk: ConversationMemory, memo_tokens: int
    ) -> None:
        self._encoder, self._room = desk.encoder, memo_tokens
        self._chunks: dict[str, list[str]] = {}
        for conversation in conversations:
            self._chunks[conversation.name] = list(
                _packed(conversation, self._encoder.count_tokens)
            )
        self._vectors = {
            name: self._encoder.encode(chunks) for name, chunks in self._chunks.items()
        }

    def memo(self, conversation: Conversation, question: MemoryQuestion) -> str:
        """Return the chunks nearest to the question."""
        chunks = self._chunks[conversation.name]
        cosines = self._vectors[conversation.name] @ self._encoder.encode([question.text])[0]
        kept, room = [], self._room
        for place in np.argsort(-cosines)[:_NAIVE_CHUNKS].tolist():
            tokens = self._encoder.count_tokens(chunks[place])
            if tokens <= room:
                kept.append(chunks[place])
                room -= tokens
        return "\n".join(kept)


def _packed(conversation: Conversation, count_tokens: Callable[[str], int]) -> Iterator[str]:
    held, room, session = "", _PACKED_TOKENS, ""
    for turn in conversation.turns:
        line = f"{turn.speaker}: {turn.text}"
        tokens = count_tokens(line)
        if held and (tokens > room or turn.session != session):
            yield held
            held = ""
        if not held:
            held, room, session = dated("", turn.said_at).strip(), _PACKED_TOKENS, turn.session
        held, room = f"{held}\n{line}", room - tokens
    if held:
        yield held


# Figures ---------------------------------------------------------------------------------------


def _row(method: str, answered: Sequence[Answered]) -> dict[str, JSON]:
    by_category: dict[str, list[Answered]] = {}
    for one in answered:
        by_category.setdefault(one.question.category, []).append(one)
    latencies = sorted(1000 * one.recalled.latency_s for one in answered)
    return {
        "method": method,
        **_quality(answered),
        "memo_tokens": _mean([one.recalled.memo.tokens for one in answered]),
        "input_tokens": _mean([one.recalled.input_tokens for one in answered]),
        "output_tokens": _mean([one.recalled.output_tokens for one in answered]),
        "llm_calls": _mean([one.recalled.calls for one in answered]),
        "cost_usd": _cost([one.recalled.cost_usd for one in answered]),
        "p50_ms": round(quantile(latencies, 0.5), 1),
        "p95_ms": round(quantile(latencies, 0.95), 1),
        "queries": len(answered),
        "categories": {name: _quality(some) for name, some in sorted(by_category.items())},
        "tiers": {name: _tiers(some) for name, some in sorted(by_category.items())},
    }


def _quality(answered: Sequence[Answered]) -> dict[str, JSON]:
    shares: dict[str, list[float]] = {
        "evidence_recall": [one.evidence for one in answered if one.evidence is not None],
        "answer_in_memo": [one.in_memo for one in answered],
        "f1": [one.f1 for one in answered if one.f1 is not None],
        "exact": [float(one.exact) for one in answered if one.exact is not None],
    }
    found: dict[str, JSON] = {}
    for name, values in shares.items():
        found[name] = _percent(sum(values) / len(values)) if values else None
        found[f"{name}_interval"] = _interval(mean_interval(values))
    return found


def _tiers(answered: Sequence[Answered]) -> dict[MemoryModule, dict[Tier, float]]:
    """Return which part of the memos had each module at each tier, in percent."""
    return {
        module: {
            tier: _percent(
                sum(one.recalled.memo.tiers.get(module) == tier for one in answered) / len(answered)
            )
            for tier in TIERS
        }
        for module in MEMORY_MODULES
    }


def _drawn(conversation: Conversation, limit: int | None) -> Conversation:
    questions = conversation.questions
    if limit is None or limit >= len(questions):
        return conversation
    drawn = random.Random(conversation.name).sample(range(len(questions)), limit)
    return Conversation(
        name=conversation.name,
        turns=conversation.turns,
        questions=tuple(questions[place] for place in sorted(drawn)),
    )


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 1)


def _cost(costs: Sequence[Decimal | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return float(sum(known) / len(known)) if len(known) == len(costs) else None


def _percent(share: float) -> float:
    return round(100 * share, 1)


def _interval(found: Interval | None) -> JSON:
    return None if found is None else [_percent(found[0]), _percent(found[1])]
