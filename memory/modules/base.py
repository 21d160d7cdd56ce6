"""What a memory module is: it turns passages into a typed finding, in up to three tiers.

A module names the passages that each finding came from, so that the memo can cite its sources. A
tier is one way of doing the work; a module has those that exist, and what is asked beyond runs
at the nearest tier below.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from ...models.journal import Journal
from ...values import MemoryBudget, ModuleSpec, ModuleState, Tier, TierPolicy
from ..ranking import Signal

In = TypeVar("In")
Out = TypeVar("Out")

Work: TypeAlias = Callable[[In, Journal], Awaitable[Out]]
"""One tier of a module; models are asked through the journal, so that their cost is counted."""

TIERS: tuple[Tier, ...] = ("low", "mid", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stored chunk, as the modules see it.

    `relevance` is the rank score of the search (a logit, unbounded); `similarity` the cosine with
    the query, -1..1; `signals` is what the score was made of. What stands beside a hit and was not
    found itself has None, and no signals.
    """

    id: str
    text: str
    writer: str
    trust: float
    created_at: datetime
    tokens: int
    relevance: float | None = None
    similarity: float | None = None
    signals: Mapping[Signal, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What filter, entities, times and topics are given."""

    query: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[Out]):
    """What a module found, and at which tier: the output of its step."""

    tier: Tier
    reason: str
    found: Out


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What holds for every module of one recall."""

    query: str
    budget: MemoryBudget
    policy: TierPolicy
    journal: Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Module(Generic[In, Out]):
    """A memory module: how a policy sees it, and its tiers.

    `returns` is the type of its step's output, `Outcome[...]`. The tier "low" always exists.
    """

    spec: ModuleSpec
    returns: Any
    tiers: Mapping[Tier, Work[In, Out]]

    async def run(self, given: In, request: Request, texts: Sequence[str]) -> Outcome[Out]:
        """Choose a tier and do the work, as one step of the journal.

        `texts` is what the modules before this one found; the policy judges by it.
        """
        state = ModuleState(
            module=self.spec, query=request.query, texts=tuple(texts), budget=request.budget
        )

        async def work(journal: Journal) -> Outcome[Out]:
            # Chosen inside the step: a resumed turn keeps the tier that it had.
            choice = await asyncio.to_thread(request.policy.choose, state)
            tier = self.nearest(choice.tier)
            reason = choice.reason
            if tier != choice.tier:
                reason += f" {self.spec.name} has no tier {choice.tier!r}: it ran at {tier!r}."
            return Outcome(tier=tier, reason=reason, found=await self.tiers[tier](given, journal))

        name = self.spec.name
        return await request.journal.once(name, name, work, returns=self.returns)

    def nearest(self, tier: Tier) -> Tier:
        """Return `tier`, or the nearest one below it that exists."""
        below = TIERS[: TIERS.index(tier) + 1]
        return next(one for one in reversed(below) if one in self.tiers)


def rules(find: Callable[[In], Out]) -> Work[In, Out]:
    """Make a tier of a plain function; it runs in a worker thread and asks no model."""

    async def work(given: In, journal: Journal) -> Out:
        return await asyncio.to_thread(find, given)

    return work
