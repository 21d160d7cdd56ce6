"""What a memory module is: it turns passages into a typed finding, in three tiers.

A module names the passages that each finding came from, so that the memo can cite its sources. What
a tier means is the strategy's: other means (`implementation`), another way of thinking
(`reasoning`) or a larger model (`capacity`). Source: BudgetMem, arXiv 2602.06025, section 3.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ...errors import BudgetExceeded, CallboardError, StoreError
from ...models.journal import Journal
from ...search.encoder import Vectors
from ...values import TIERS, MemoryBudget, ModuleSpec, ModuleState, Tier, TierPolicy
from ..chunks import USER_TRUST
from ..ranking import Signal

if TYPE_CHECKING:
    from .purse import Purse

In = TypeVar("In")
Out = TypeVar("Out")
Given = TypeVar("Given", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stored chunk, as the modules see it.

    `relevance` is the rank score of the search (a logit, unbounded), and from the filter on its
    share of what is relevant, 0..1; `similarity` the cosine with the query, -1..1; `signals` is
    what the rank score was made of; `place` is where a cross-encoder put it among those that it
    read. What stands beside a hit has none of the three.
    """

    id: str
    text: str
    writer: str
    trust: float
    created_at: datetime
    tokens: int
    agent: str | None = None
    relevance: float | None = None
    similarity: float | None = None
    signals: Mapping[Signal, float] = field(default_factory=dict)
    place: int | None = None

    @property
    def by(self) -> str:
        """What stands in front of it where it is quoted, unless the user said it."""
        return "" if self.trust >= USER_TRUST else "said by an agent, "


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What entities, times and topics are given: the passages kept, the most relevant first."""

    query: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked(Generic[Out]):
    """What one tier found; `note` says what was left out of a model's answer, and why."""

    found: Out
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[Out]):
    """What a module found, and at which tier: the output of its step.

    `asked` is the tier that the policy chose; where it failed, the work was done at `tier`, and
    `reason` says so.
    """

    tier: Tier
    reason: str
    found: Out
    asked: Tier | None = None


class Work(Protocol[Given, Out]):
    """One way of doing a module's work."""

    async def run(self, given: Given, journal: Journal) -> Worked[Out]:
        """Return what was found; models are asked through the journal, which counts their cost."""

    def most_usd(self, given: Given) -> Decimal | None:
        """Return what it may cost; None if that is not known."""


@cache
def _thread() -> ThreadPoolExecutor:
    """Return one thread: rules are quick, and several would wait for each other's interpreter."""
    return ThreadPoolExecutor(1, "callboard-rules")


@dataclass(frozen=True, slots=True)
class Rules(Generic[In, Out]):
    """A way without a model: a plain function, run in a thread that all rules share."""

    find: Callable[[In], Out]

    async def run(self, given: In, journal: Journal) -> Worked[Out]:
        """Return what the function finds."""
        loop = asyncio.get_running_loop()
        return Worked(found=await loop.run_in_executor(_thread(), self.find, given))

    def most_usd(self, given: In) -> Decimal | None:
        """Return 0."""
        return Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What holds for every module of one recall; `query_vector` is `(dim,)`."""

    query: str
    budget: MemoryBudget
    policy: TierPolicy
    journal: Journal
    purse: Purse
    query_vector: Sequence[float] = ()

    def left_open(self, module: str) -> bool:
        """Return whether the caller leaves the tier of a module to the policy."""
        if isinstance(self.budget, Mapping):
            return module not in self.budget
        return self.budget == "auto"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the modules before one found: the policy judges by it.

    `vector` makes the mean embedding `(dim,)` of the texts, where the policy wants it.
    """

    texts: tuple[str, ...]
    vector: Callable[[], Awaitable[Vectors]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Module(Generic[In, Out]):
    """A memory module: how a policy sees it, and its tiers.

    `returns` is the type of its step's output, `Outcome[...]`. `tiers` has all three; `rules` is
    what never fails, and done where every tier did.
    """

    spec: ModuleSpec
    returns: Any
    tiers: Mapping[Tier, Work[In, Out]]
    rules: Rules[In, Out]

    async def run(self, given: In, request: Request, seen: Seen) -> Outcome[Out]:
        """Choose a tier and do the work, as one step of the journal."""

        async def work(journal: Journal) -> Outcome[Out]:
            # Chosen inside the step: a resumed turn keeps the tier that it had.
            state = await self._state(given, request, seen)
            choice = request.policy.choose(state)
            outcome = await self._fall(given, journal, choice.tier, request.purse)
            reason = " ".join(filter(None, (choice.reason, outcome.reason)))
            return Outcome(tier=outcome.tier, reason=reason, found=outcome.found, asked=choice.tier)

        name = self.spec.name
        return await request.journal.once(name, name, work, returns=self.returns)

    async def _state(self, given: In, request: Request, seen: Seen) -> ModuleState:
        left_open = request.left_open(self.spec.name)
        judged = left_open and request.policy.wants_vectors
        left_usd = request.purse.left_usd
        most: dict[Tier, Decimal | None] = {}
        if left_usd is not None:
            most = {tier: work.most_usd(given) for tier, work in self.tiers.items()}
        return ModuleState(
            module=self.spec,
            query=request.query,
            texts=seen.texts,
            budget=request.budget,
            query_vector=request.query_vector if judged else (),
            texts_vector=(await seen.vector()).tolist() if judged else (),
            most_usd=most,
            left_usd=left_usd,
        )

    async def _fall(self, given: In, journal: Journal, asked: Tier, purse: Purse) -> Outcome[Out]:
        """Do the work at `asked`, or at the nearest tier below that does not fail."""
        reasons: list[str] = []
        for tier in reversed(TIERS[: TIERS.index(asked) + 1]):
            try:
                worked = await self.tiers[tier].run(given, purse.counted(journal))
            except StoreError:
                raise
            except (CallboardError, BudgetExceeded) as error:
                reasons.append(f"{self.spec.name} failed at {tier!r}: {error}")
                continue
            reasons.append(worked.note)
            return Outcome(tier=tier, reason=" ".join(filter(None, reasons)), found=worked.found)
        worked = await self.rules.run(given, journal)
        reasons.append("It was done by rules.")
        return Outcome(tier="low", reason=" ".join(reasons), found=worked.found)
