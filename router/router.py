"""The router: retrieval first, the reasoning router where retrieval is not sure.

Retrieval scores every agent in milliseconds; when it is sure, its set is the decision and no model
is asked. When it is not, a model judges a shortlist and its word is combined with the scores. If
that call fails, the retrieval set stands and the decision says so: routing never fails a turn.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial

from ..agents.registry import Snapshot
from ..config import RouterSettings
from ..errors import CallboardError
from ..models.gateway import Gateway
from ..models.journal import Journal
from ..search.encoder import Vectors
from ..search.experts.lineup import Lineups, nobody, read_texts
from ..values import Checkup, Decision, Exchange, MemoryModule, Scope, Tier
from .choice import choose, combine, pin, shortlist
from .guard import Verdict, judge_scope
from .reasoning.judge import ReasoningRouter
from .reasoning.prompt import Case
from .retrieval.retriever import Retrieval, RetrievalRouter
from .retrieval.scoring import GUARD_THRESHOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A query as the router gets it: with what the caller pins, forbids and grants.

    `allowed` are the only agents that the caller may use; None: all.
    """

    query: str
    agents: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    allowed: tuple[str, ...] | None = None
    history: tuple[Exchange, ...] = ()
    budget_usd: Decimal | None = None
    tiers: Mapping[MemoryModule, Tier] = field(default_factory=dict)


class Router:
    """Chooses the agents of a query. One instance serves all queries of a tenant.

    `experts` gives those that may read queries for the comparison with agents.

    Raises:
        ConfigurationError: the reasoning model can't be read in the way that `settings` name.
    """

    def __init__(
        self,
        retrieval: RetrievalRouter,
        settings: RouterSettings,
        gateway: Gateway,
        *,
        tenant: str,
        experts: Lineups = nobody,
    ) -> None:
        self._experts = experts
        self._retrieval = retrieval
        self._settings = settings
        self._gateway = gateway
        self._tenant = tenant
        self._reasoning = ReasoningRouter(
            settings.model,
            reading=settings.reading,
            logprobs=gateway.settings(settings.model).logprobs,
        )
        given = settings.guard_threshold
        self._threshold = GUARD_THRESHOLD if given is None else given

    async def route(self, question: Question, snapshot: Snapshot, journal: Journal) -> Decision:
        """Decide in one go: retrieve, guard, decide."""
        started = time.perf_counter()
        retrieval = await self.retrieve(question, snapshot, journal)
        verdict = self.guard(retrieval)
        return await self.decide(question, snapshot, retrieval, verdict, journal, started=started)

    async def retrieve(
        self, question: Question, snapshot: Snapshot, journal: Journal | None = None
    ) -> Retrieval:
        """Score the agents that the question may call.

        Which expert reads the query is a step of `journal`, if there is one.
        """
        return await self._retrieval.retrieve(
            question.query,
            snapshot,
            history=question.history,
            exclude=question.exclude,
            only=question.allowed,
            reread=partial(self._reread, journal),
        )

    async def _reread(
        self, journal: Journal | None, texts: Sequence[str], vectors: Vectors
    ) -> Vectors | None:
        """Return what an expert makes of the texts of a query; None: the base reads."""
        lineup = await self._experts(Scope(tenant=self._tenant))
        return (await read_texts(lineup, ("agents",), texts, vectors, journal)).get("agents")

    async def settle(self, snapshot: Snapshot) -> None:
        """Index the agents, and wait until all is learned that can be learned from them."""
        await self._retrieval.settle(snapshot)

    async def check_up(self, snapshot: Snapshot) -> Checkup:
        """Return how well the agents can be told apart."""
        return await self._retrieval.check_up(snapshot)

    async def categories(self, snapshot: Snapshot) -> dict[str, str]:
        """Return the category of every agent."""
        return await self._retrieval.categories(snapshot)

    def forget(self) -> None:
        """Forget users' words: what was judged before, and feedback, which is read again."""
        self._reasoning.forget()
        self._retrieval.forget()

    async def close(self) -> None:
        """Stop what goes on beside the queries."""
        await self._retrieval.close()

    def guard(self, retrieval: Retrieval) -> Verdict:
        """Tell whether the query is in scope."""
        return judge_scope(retrieval, self._threshold)

    async def decide(
        self,
        question: Question,
        snapshot: Snapshot,
        retrieval: Retrieval,
        verdict: Verdict,
        journal: Journal,
        *,
        started: float,
    ) -> Decision:
        """Choose the set. `started` is the `time.perf_counter()` at which routing began.

        Raises:
            UnknownName: a pinned agent does not exist or can't be called.
        """
        visible = snapshot.only(question.allowed)
        if question.agents is not None:
            decision = pin(question.agents, visible, retrieval)
        else:
            decision = choose(retrieval, verdict, self._settings)
            if self._needs_a_model(retrieval, verdict):
                decision = await self._judged(
                    decision, question, snapshot, retrieval, verdict, journal
                )
            if not decision.agents:
                decision = self._fall_back(decision, question, retrieval, visible)
        return replace(
            decision,
            tiers=question.tiers,
            guard_score=round(verdict.score, 4),
            guard_threshold=verdict.threshold,
            budget_usd=question.budget_usd,
            registry_version=retrieval.registry_version,
            latency_s=time.perf_counter() - started,
        )

    def _needs_a_model(self, retrieval: Retrieval, verdict: Verdict) -> bool:
        able = self._gateway.settings(self._settings.model).reasoning
        if self._settings.policy == "retrieval" or not able or not retrieval.parts[0].scores:
            return False
        if not verdict.in_scope and _refused(retrieval):
            return False
        if self._settings.policy == "reasoning":
            return True
        # That several agents are called covers a doubt; a model may do away with it.
        fitting = [part for part in retrieval.parts if part.in_scope >= verdict.threshold]
        surest = [max(score.probability for score in part.scores) for part in fitting]
        return not verdict.sure or min(surest, default=1.0) < self._settings.sure

    async def _judged(
        self,
        retrieved: Decision,
        question: Question,
        snapshot: Snapshot,
        retrieval: Retrieval,
        verdict: Verdict,
        journal: Journal,
    ) -> Decision:
        names = shortlist(retrieval, self._settings.shortlist)
        case = Case(
            tenant=self._tenant,
            registry_version=snapshot.version,
            query=question.query,
            shortlist=tuple(snapshot.by_name[name].agent for name in names),
            max_agents=self._settings.max_agents,
            history=question.history,
        )
        try:
            judgement = await self._reasoning.judge(case, journal)
        except CallboardError as error:
            note = f"The reasoning router could not judge ({error}); retrieval decided."
            return replace(
                retrieved, method="fallback", reason=f"{note} {retrieved.reason}", cost_usd=None
            )
        return combine(judgement, retrieval, verdict, self._settings)

    def _fall_back(
        self, decision: Decision, question: Question, retrieval: Retrieval, snapshot: Snapshot
    ) -> Decision:
        """Let the fallback agent answer; not even it speaks about a blocked topic."""
        name = self._settings.fallback_agent
        agent = snapshot.by_name.get(name) if name else None
        blocked = _refused(retrieval) & set(self._settings.blocked_topics)
        if agent is None or not agent.live or blocked or name in question.exclude:
            return replace(decision, method="fallback")
        return replace(
            decision,
            agents=(agent.agent.name,),
            method="fallback",
            reason=f"{decision.reason} The fallback agent {agent.agent.name!r} answers.",
        )


def _refused(retrieval: Retrieval) -> set[str]:
    """Return the refused topics that parts of the query meet."""
    return {part.refused for part in retrieval.parts if part.refused}
