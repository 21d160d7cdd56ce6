"""The words of Callboard as plain values, and the protocols that users may supply.

Nothing here does I/O, and nothing here knows a database, a model or a web page. Every value is
frozen; what changes is a new value. Money is `Decimal` US dollars, or None when it is unknown:
unknown is never written as 0. Instants are timezone-aware UTC. `codec.py` turns values into JSON
and back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeAlias

JSON: TypeAlias = Any
"""A JSON value: dict, list, str, int, float, bool or None."""

Tier: TypeAlias = Literal["low", "mid", "high"]
"""How much a memory module may cost. Source: BudgetMem, arXiv 2602.06025, section 3."""

TIERS: tuple[Tier, ...] = ("low", "mid", "high")
"""From the cheapest to the dearest."""

MemoryModule: TypeAlias = Literal["filter", "entities", "times", "topics", "summary"]
"""The five modules of recall, in the order in which they run (the middle three side by side)."""

Strategy: TypeAlias = Literal["implementation", "reasoning", "capacity"]
"""What sets the tiers of memory apart: other means, more thinking, or a larger model."""

MEMORY_MODULES: tuple[MemoryModule, ...] = ("filter", "entities", "times", "topics", "summary")

RunStatus: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled"]
StepStatus: TypeAlias = Literal["running", "done", "failed", "cancelled"]
Method: TypeAlias = Literal["retrieval", "reasoning", "fallback", "pinned"]
"""How a decision was reached; `fallback`: no agent fitted, or what should have judged failed."""


EVERYONE = "*"
"""The user whose memory is all users': knowledge of the board. Nobody asks under this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose data is meant. Every repository asks for one and every table has its columns.

    A read sees the rows of its tenant and user; with a session, those of that session alone. With
    an agent, of a memory, what is for that agent alone.
    """

    tenant: str = "local"
    user: str = "local"
    session: str | None = None
    agent: str | None = None

    @property
    def owner(self) -> Scope:
        """The same tenant and user, in all sessions and for all agents."""
        return Scope(tenant=self.tenant, user=self.user)

    @property
    def everyone(self) -> Scope:
        """What all users of the tenant share."""
        return Scope(tenant=self.tenant, user=EVERYONE)


# Money and use ---------------------------------------------------------------------------------

NANO_PER_USD = 1_000_000_000


def to_nano(cost_usd: Decimal) -> int:
    """Return `cost_usd` in nano-USD, rounded up: a limit may be met early, never overrun."""
    nano = cost_usd * NANO_PER_USD
    whole = int(nano)
    return whole if whole == nano else whole + 1


def from_nano(nano: int) -> Decimal:
    """Return nano-USD as US dollars, exactly."""
    return Decimal(nano) / NANO_PER_USD


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one call used. None is unknown, which is not 0.

    `reasoning_tokens` are those of the output tokens that nobody sees; None: not told.
    """

    input_tokens: int | None = 0
    output_tokens: int | None = 0
    cost_usd: Decimal | None = Decimal(0)
    reasoning_tokens: int | None = None


UNKNOWN_USAGE = Usage(input_tokens=None, output_tokens=None, cost_usd=None)


def add_usage(first: Usage, second: Usage) -> Usage:
    """Add two usages; what is unknown in one is unknown in the sum."""

    def add(a: Any, b: Any) -> Any:
        return None if a is None or b is None else a + b

    return Usage(
        input_tokens=add(first.input_tokens, second.input_tokens),
        output_tokens=add(first.output_tokens, second.output_tokens),
        cost_usd=add(first.cost_usd, second.cost_usd),
        reasoning_tokens=add(first.reasoning_tokens, second.reasoning_tokens),
    )


def total_cost(usages: Iterable[Usage]) -> Decimal | None:
    """Add the costs up; one unknown makes the total unknown."""
    total = Decimal(0)
    for usage in usages:
        if usage.cost_usd is None:
            return None
        total += usage.cost_usd
    return total


def known_cost(usages: Iterable[Usage]) -> Decimal:
    """Add up the costs that are known."""
    return sum((usage.cost_usd for usage in usages if usage.cost_usd is not None), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Money set aside for one call; `amount_usd` None: no price is known and none was needed."""

    id: str
    amount_usd: Decimal | None


class Meter(Protocol):
    """Money that calls draw on: reserve an upper bound, call, then settle or release.

    Passed to every model call, so that `models/` needs no database.
    """

    async def reserve(self, amount_usd: Decimal | None, *, model: str) -> Reservation:
        """Set `amount_usd` aside (None: price unknown).

        Raises:
            BudgetExceeded: less than that is left, or the price is unknown under a limit.
        """

    async def settle(self, reservation: Reservation, usage: Usage) -> None:
        """Replace the reservation by what the call really cost (None: unknown)."""

    async def release(self, reservation: Reservation) -> None:
        """Give the reservation back: the call cost nothing."""


# The decision ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An agent that the router looked at, and why it was taken or left.

    `score` is a probability in 0..1 that this agent should answer.
    """

    agent: str
    score: float
    chosen: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One wish of a query with several, and the agents that were chosen for it."""

    text: str
    agents: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Which agents are called for a query, and why. Views and replays need nothing else.

    `left_out` are agents that belong to the set, and that the cap on its size kept out.
    """

    agents: tuple[str, ...]
    method: Method
    reason: str
    confidence: float
    in_scope: bool
    candidates: tuple[Candidate, ...] = ()
    parts: tuple[Part, ...] = ()
    left_out: tuple[str, ...] = ()
    tiers: Mapping[MemoryModule, Tier] = field(default_factory=dict)
    guard_score: float | None = None
    guard_threshold: float | None = None
    budget_usd: Decimal | None = None
    registry_version: int = 0
    latency_s: float = 0.0
    cost_usd: Decimal | None = Decimal(0)

    def part_for(self, agent: str) -> str | None:
        """Return the wishes that `agent` was chosen for, or None where the query was not split."""
        texts = [part.text for part in self.parts if agent in part.agents]
        return " ".join(texts) or None


# Memory ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Where a statement comes from: a document or a stored chunk, and the words quoted."""

    source: str
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Memo:
    """What recall hands to the agents: text, and the stored chunks that it was made from."""

    text: str = ""
    chunk_ids: tuple[str, ...] = ()
    tokens: int = 0
    tiers: Mapping[MemoryModule, Tier] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSpec:
    """A memory module as a policy sees it."""

    name: MemoryModule
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One piece of what is remembered, and where it came from.

    `writer` is "user", the names of agents, or a document; `step` the step of the run `run_id` that
    wrote it, None: it was given. `trust` is 0..1. It holds from `valid_from` until `expires_at`,
    and not where it was `superseded_by` another. `similarity` is the cosine with what was searched
    for, -1..1.
    """

    id: str
    text: str
    writer: str
    trust: float
    created_at: datetime
    tokens: int
    run_id: str
    step: str | None = None
    session: str | None = None
    agent: str | None = None
    valid_from: datetime | None = None
    expires_at: datetime | None = None
    superseded_by: str | None = None
    similarity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleState:
    """What is known before a module runs: the query, and what the modules before it found.

    `budget` is what the caller asked for: a tier for every module, one tier per module, or auto.
    `query_vector` is the embedding of the query and `texts_vector` the mean of those of `texts`,
    both `(dim,)`; they are there where the caller leaves the tier open and the policy wants them.
    `left_usd` tells what memory may still cost in this turn (None: no limit); under a limit
    `most_usd` tells what each tier may cost (None: unknown).
    """

    module: ModuleSpec
    query: str
    texts: tuple[str, ...] = ()
    budget: MemoryBudget = "auto"
    query_vector: Sequence[float] = ()
    texts_vector: Sequence[float] = ()
    most_usd: Mapping[Tier, Decimal | None] = field(default_factory=dict)
    left_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TierChoice:
    """The tier that a policy chose for one module, and why."""

    tier: Tier
    reason: str


class TierPolicy(Protocol):
    """Chooses the tier of each memory module of a turn, one module after the other."""

    @property
    def wants_vectors(self) -> bool:
        """Whether it judges by the embeddings of a state, which cost time to make."""

    def choose(self, state: ModuleState) -> TierChoice:
        """Return the tier for `state.module`."""


MemoryBudget: TypeAlias = Literal["auto", "low", "mid", "high"] | Mapping[MemoryModule, Tier]


# Agents at work --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One earlier query of a conversation and the answer that it got.

    `run_id` and `agents` are empty where it was no run of this Board.
    """

    query: str
    answer: str
    run_id: str = ""
    agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTask:
    """What one agent is asked to do; made of JSON, so that it can travel to another machine.

    `query` is the user's whole query; `part` the wish meant for this agent when it was split.
    """

    run_id: str
    agent: str
    scope: Scope
    query: str
    part: str | None = None
    memo: Memo = field(default_factory=Memo)
    history: tuple[Exchange, ...] = ()

    @property
    def wish(self) -> str:
        """What this agent should answer: its part, or else the whole query."""
        return self.part or self.query


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResult:
    """What one agent answered. `data` holds a typed answer as JSON.

    `answered` False: the agent works but has nothing to say to this; `text` tells why.
    """

    agent: str
    text: str
    data: JSON = None
    citations: tuple[Citation, ...] = ()
    answered: bool = True


class Executor(Protocol):
    """Runs one agent on one task, here or on another machine."""

    async def run(self, task: AgentTask) -> AgentResult:
        """Return the agent's answer; raise what made it fail."""


# The record of a turn --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that a run did. The same record feeds replay, CLI, app and benchmarks.

    `key` names the step within its run and does not change when the run is resumed: a step that is
    done is never done again. `usage` stands on leaves only, so that the sum over all steps is
    the run's. `output` is what the step gave, as JSON.
    """

    id: str
    run_id: str
    key: str
    name: str
    parent_id: str | None = None
    agent: str | None = None
    model: str | None = None
    attempt: int = 1
    status: StepStatus = "running"
    started_at: datetime
    latency_s: float | None = None
    usage: Usage = field(default_factory=Usage)
    error: str | None = None
    output: JSON = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One query's way through the house: the query, the decision, the steps, the answer."""

    id: str
    scope: Scope
    query: str
    status: RunStatus
    created_at: datetime
    finished_at: datetime | None = None
    answer: str | None = None
    decision: Decision | None = None
    steps: tuple[Step, ...] = ()
    error: str | None = None

    @property
    def cost_usd(self) -> Decimal | None:
        """The whole cost; None if that of a single call is unknown."""
        return total_cost(step.usage for step in self.steps)

    @property
    def known_cost_usd(self) -> Decimal:
        """The part of the cost that is known."""
        return known_cost(step.usage for step in self.steps)

    @property
    def latency_s(self) -> float | None:
        """Seconds from asking to the end; None while the run goes on."""
        if self.finished_at is None:
            return None
        return (self.finished_at - self.created_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What a user said of the agents of a run, for queries like this one.

    `score` in -1..1: 1 they should answer, -1 they should not. `standing` are those of `agents`
    of which it still counts: the user neither undid it nor said something else of them later.
    """

    id: str
    run_id: str
    user: str
    query: str
    agents: tuple[str, ...]
    standing: tuple[str, ...]
    score: float
    comment: str = ""
    created_at: datetime


# Agents looked at -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """An example `query` of `agent` for which `other` came first, with their probabilities."""

    agent: str
    other: str
    query: str
    probability: float
    other_probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCheck:
    """How one agent is found.

    Of its `examples`, `tried` were asked as if they were not its own, and it was `first` for so
    many; it `attracts` so many of others. `hub_share` is the share of everyday queries for which it
    is first, where that is suspiciously large, else 0.
    """

    agent: str
    examples: int
    tried: int
    first: int
    attracts: int
    hub_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """What `Board.check_agents` found; `alike` are pairs that say the same, with their cosine."""

    agents: tuple[AgentCheck, ...]
    confusions: tuple[Confusion, ...]
    alike: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A description and further example queries that a model suggests for an agent, and why."""

    agent: str
    description: str
    examples: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingMetrics:
    """What stored runs tell about the routing; None: there was nothing to tell it from.

    `persistence` (SRP) says by length of a stretch of queries how well the same few agents serve
    all of it, `hit_rates` (SCH) by size how many calls a warm pool of agents can serve at best.
    `categories` counts the calls of every agent, by category.
    """

    runs: int
    mean_set_size: float | None
    reasoned_share: float | None
    fallback_share: float | None
    out_of_scope_share: float | None
    persistence: Mapping[int, float | None]
    hit_rates: Mapping[int, float | None]
    categories: Mapping[str, Mapping[str, int]]


# Events ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A step began."""

    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnded:
    """A step is done, failed or was cancelled."""

    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The router has decided."""

    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A piece of what one agent of several is writing; not yet the answer."""

    agent: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerDelta:
    """A piece of the answer. Pieces are only ever appended, never withdrawn."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The run has ended; always the last event."""

    status: RunStatus
    answer: str | None = None
    error: str | None = None


EventBody: TypeAlias = StepStarted | StepEnded | Decided | Draft | AnswerDelta | Done


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry of a run's event log; `seq` counts from 1 without a gap."""

    run_id: str
    seq: int
    body: EventBody
