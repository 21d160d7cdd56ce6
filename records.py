"""What is told of many runs, as plain values: lists of them, sessions, and figures over them.

As in `values.py`, nothing here does I/O; money is `Decimal` US dollars, or None when unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from .values import JSON, Method, RunStatus, Scope

Role: TypeAlias = Literal["ask", "agents", "runs", "admin"]
"""What a key may do: ask and look after what is its user's; register and change agents and the
knowledge of all; read runs and spending of all users; everything in the tenant, keys too."""

ROLES: tuple[Role, ...] = ("ask", "agents", "runs", "admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs are meant; None and "" narrow nothing.

    since, until: asked from this instant on, and before that one.
    agent: was called. model: was asked, by its configured name.
    least_usd, most_usd: of the cost that is known; least_s, most_s: of the latency.
    text: stands in the query or the answer, in whatever case.
    replays: it asks this run's query again.
    """

    since: datetime | None = None
    until: datetime | None = None
    session: str | None = None
    agent: str | None = None
    model: str | None = None
    method: Method | None = None
    status: RunStatus | None = None
    least_usd: Decimal | None = None
    most_usd: Decimal | None = None
    least_s: float | None = None
    most_s: float | None = None
    text: str = ""
    replays: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One run as a list shows it, without its steps.

    `cost_usd` is None while a call of unknown cost is in it; `known_cost_usd` is what is known.
    `models` are the names of those that were asked. `replays` is the run that was asked again.
    """

    id: str
    scope: Scope
    query: str
    status: RunStatus
    created_at: datetime
    latency_s: float | None = None
    method: Method | None = None
    agents: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    cost_usd: Decimal | None = None
    known_cost_usd: Decimal = Decimal(0)
    input_tokens: int | None = None
    output_tokens: int | None = None
    replays: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """A page of runs, newest first, and how many there are in all."""

    runs: tuple[RunSummary, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One conversation: its title is what the user called it, or else its first query."""

    id: str
    title: str
    runs: int
    created_at: datetime
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What the calls of one day, user, step, agent and model used together.

    `step` is the step of the turn (or `route`, `suggest`, `check`) and `agent` the one that it
    worked for. `calls` were made; of `unknown` of them the cost is not known, and not in
    `known_usd`, nor are their tokens certain to be.
    """

    day: date
    user: str
    step: str
    agent: str | None
    model: str
    calls: int
    unknown: int
    known_usd: Decimal
    input_tokens: int
    output_tokens: int

    @property
    def cost_usd(self) -> Decimal | None:
        """The whole cost; None if that of a single call is unknown."""
        return None if self.unknown else self.known_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A query that an agent would be called for, and who would be called without and with it."""

    query: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What an agent would change if it were registered; told by retrieval, no model was asked.

    It would be called for `found` of its own `examples`. Of `asked` queries of others - examples of
    theirs, and what was asked last - it would be called for those `taken`.
    """

    agent: str
    examples: int
    found: int
    asked: int
    taken: tuple[Taken, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFigures:
    """How an agent did: calls that ended, how many failed, how long they took, what they cost."""

    agent: str
    calls: int
    failed: int
    p50_s: float | None
    p95_s: float | None
    known_usd: Decimal
    unknown: int

    @property
    def cost_usd(self) -> Decimal | None:
        """The whole cost; None if that of a single call is unknown."""
        return None if self.unknown else self.known_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentState:
    """One endpoint of a model as it stands now, in one process.

    `serves` is the model string that is sent there. `health`: calls pass (closed), none pass after
    failures (open), or one may find out (half_open). `requests` and `tokens` are in flight.
    """

    model: str
    name: str
    serves: str
    api_base: str | None
    health: Literal["closed", "open", "half_open"]
    draining: bool
    requests: int
    tokens: int
    last_failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """What reasoning a model billed for one domain: an agent, or a step of the turn.

    Of the audited `calls` reasoning tokens were `told` by the provider. What is usual is that of
    `baseline_calls` earlier ones, of the same domain or of the whole model; `baseline` None: they
    are too few, and all that needs them is None too. Ratios are reasoning tokens for each visible
    one. `interval` holds `times` with 95 % (None: too little to tell). `run_ids` are those of the
    calls `above_p99`.
    """

    model: str
    domain: str
    calls: int
    told: int
    baseline_calls: int
    baseline: Literal["domain", "model"] | None = None
    median_ratio: float | None = None
    p95_ratio: float | None = None
    p99_ratio: float | None = None
    billed_tokens: int
    expected_tokens: float | None = None
    interval: tuple[float, float] | None = None
    above_p99: int | None = None
    run_ids: tuple[str, ...] = ()

    @property
    def times(self) -> float | None:
        """Billed for expected tokens; None where nothing is expected, or nobody knows what."""
        return self.billed_tokens / self.expected_tokens if self.expected_tokens else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Billed reasoning of the calls from `since` on, against that of the calls before.

    A signal, not a proof: harder questions need more reasoning too, and a provider that billed too
    much from the first day on looks as usual.
    """

    since: datetime
    rows: tuple[AuditRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFigures:
    """How the turns of a time went; None: there was nothing to tell it from.

    `answered` are those that are done. `reasoned` had a model judge the routing, which cost
    `reasoning_usd` together (None: not known of one); the others saved as much each, on average.
    Shares and the mean size of the set are of the turns that were decided.
    """

    turns: int
    answered: int
    decided: int
    reasoned: int
    reasoning_usd: Decimal | None
    mean_set_size: float | None
    fallback_share: float | None
    out_of_scope_share: float | None
    p50_s: float | None
    p95_s: float | None
    known_usd: Decimal
    unknown: int

    @property
    def reasoned_share(self) -> float | None:
        """The share of the turns that needed a model to route."""
        return self.reasoned / self.decided if self.decided else None

    @property
    def cost_per_answer_usd(self) -> Decimal | None:
        """What an answered query cost; None if the cost of one is unknown, or there is none."""
        return None if self.unknown or not self.answered else self.known_usd / self.answered

    @property
    def saved_usd(self) -> Decimal | None:
        """What the turns that needed no model to route saved, at the mean cost of those that did.

        None: no turn asked a model, or what that cost is not known.
        """
        if not self.reasoned or self.reasoning_usd is None:
            return None
        return self.reasoning_usd / self.reasoned * (self.decided - self.reasoned)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """Who may use the HTTP API, as whom, and for what; the secret itself is nowhere.

    `id` is how the key begins, and shown. `scope` is its tenant and user. `agents` are the only
    ones that it may call (None: all). `per_minute` limits its requests and `at_once` those that one
    worker answers at the same time; None: no limit. It is good until `expires_at` or `revoked_at`.
    """

    id: str
    scope: Scope
    name: str
    roles: tuple[Role, ...]
    agents: tuple[str, ...] | None = None
    per_minute: int | None = None
    at_once: int | None = None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def good_at(self, now: datetime) -> bool:
        """Tell whether it may be used at an instant."""
        ends = (self.expires_at, self.revoked_at)
        return all(end is None or now < end for end in ends)

    def may(self, role: Role) -> bool:
        """Tell whether it has a role; an admin has all."""
        return role in self.roles or "admin" in self.roles


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was just made, and its `secret`, which is told this once."""

    key: ApiKey
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An entry of the audit log: who asked for what change, and what became of it.

    `key_id` is the key that asked, or None: the command line. `outcome` is `asked` until it is
    known: what stays so was cut off in the middle, and may or may not have been done.
    """

    id: str
    scope: Scope
    key_id: str | None
    action: str
    object: str
    detail: JSON = None
    outcome: Literal["asked", "done", "refused"]
    error: str | None = None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was erased of a user: rows by table.

    Of `anonymised` ones the name alone is gone, for what they tell is not the user's: agents that
    they registered, money that was paid.
    """

    tenant: str
    user: str
    deleted: dict[str, int]
    anonymised: dict[str, int]
