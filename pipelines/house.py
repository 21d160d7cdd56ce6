"""The house: the rooms put together for one Board, each built when it is first needed.

Routing alone needs no graph and no model library, so that `callboard route` is quick from cold.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias
from uuid import uuid4

from ..agents.mcp.servers import ToolServers
from ..agents.registry import Registry
from ..codec import from_json
from ..config import AddressSettings, RouterSettings, Settings
from ..errors import ConfigurationError
from ..models.addresses import AddressRule
from ..models.gateway import Gateway
from ..models.ladder import Ladder, Reader
from ..models.prices import PriceBook
from ..models.unrecorded import UnrecordedJournal
from ..records import Audit, Rehearsal
from ..router.budget import CallerPolicy, CappedPolicy, FixedPolicy, load_any_policy
from ..router.choice import check_names
from ..router.retrieval.embedding import RememberedEmbedding
from ..router.retrieval.retriever import RetrievalRouter
from ..router.router import Question, Router
from ..search import one_thread
from ..search.encoder import Encoder, Vectors
from ..search.encoders import load_encoder
from ..search.experts.lineup import read_query
from ..search.experts.reader import QueryReader
from ..search.recent import RecentEncoder
from ..search.reranking import Reranking
from ..store.allowance import Allowance
from ..store.engine import PATIENCE_S, Store
from ..store.feedback import Vote
from ..values import (
    TIERS,
    Checkup,
    Decision,
    Event,
    Exchange,
    Meter,
    RoutingMetrics,
    Run,
    Scope,
    Suggestion,
    TierPolicy,
)
from .caches import forget_texts
from .experts import ExpertDesk
from .feedback import FeedbackDesk
from .loop import LoopThread
from .metrics import routing_metrics
from .order import HISTORY, Order
from .routers import Routers
from .upkeep import Upkeep

if TYPE_CHECKING:
    from ..agents.spec import Agent
    from ..agents.tools import Approver
    from ..memory.archive import Archive
    from ..memory.recall import Read, Recall
    from ..models.chat import ChatModel
    from ..models.check import ModelCheck
    from ..models.measure import Throughput
    from ..search.experts.training_set import TrainingSet
    from .conductor import Conductor
    from .remembering import MemoryDesk
    from .runlog import Observer
    from .telemetry import Telemetry


LAST = 300
"""Queries that were asked last, with which an agent is tried before it is registered."""

Replaying: TypeAlias = Callable[[str, Sequence[Exchange]], Order]
"""Makes an order of the query of an earlier run, and the conversation before it."""


class House:
    """Owns the store, the loop, the models and what is built on them. Coroutines run on `loop`."""

    def __init__(
        self,
        settings: Settings,
        *,
        models: Mapping[str, ChatModel],
        approver: Approver | None,
        recover: bool,
        observers: Sequence[Observer] = (),
    ) -> None:
        self._settings = settings
        self._approver = approver
        self._recover = recover
        self._observers = observers
        self.store = Store.open(
            settings.database_url, patience_s=max(PATIENCE_S, settings.limits.lease_s)
        )
        addresses = _addresses(settings.endpoints)
        self.gateway = Gateway(
            settings.models,
            prices=PriceBook.bundled(),
            cache_dir=settings.cache_dir,
            replacements=models,
            addresses=addresses,
        )
        self._allowance = _allowance(settings)
        self._bundled = _bundled(settings)
        self._servers = ToolServers(settings.mcp)
        self.registry = Registry(
            self.store.agents,
            models=settings.models,
            servers=settings.mcp,
            bundled=self._bundled,
            addresses=addresses,
        )
        self.feedback = FeedbackDesk(self.store, self.registry)
        method = settings.retrieval.experts
        self.experts = ExpertDesk(
            self.store,
            self.encoder,
            None if method == "off" else method,
            QueryReader(settings.encoder),
        )
        self._threads = ThreadPoolExecutor(settings.limits.threads, "callboard-agent")
        self.loop = LoopThread("callboard-loop")
        self._building = asyncio.Lock()
        self._encoder: RecentEncoder | None = None
        self._routers: Routers | None = None
        self._archive: Archive | None = None
        self._recall: Recall | None = None
        self._ladders: Mapping[str, Ladder] | None = None
        self._reranking: Reranking | None = None
        self._conductor: Conductor | None = None
        self._telemetry: Telemetry | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._upkeep: asyncio.Task[None] | None = None

    def forget(self) -> None:
        """Drop what this process remembers of users' words; it is read or made again."""
        self.store.forget()
        self.gateway.forget()
        for one in (self._encoder, self._routers, self._recall):
            if one is not None:
                one.forget()
        forget_texts()

    async def route(self, scope: Scope, order: Order) -> Decision:
        """Decide, and call nobody."""
        router = await self._router_of(scope)
        question = await order.question(self.store, scope)
        snapshot = await self.store.call(self.registry.snapshot, scope)
        meter = self.store.ledger.meter(
            scope,
            f"route-{uuid4().hex}",  # no run, but an account of its own
            allowance=replace(self._allowance, run_usd=order.budget_usd),
            step="route",
        )
        journal = await self._unrecorded(meter)
        return await router.route(question, snapshot, journal)

    async def prepare(self, scope: Scope, *, learn: bool, answer: bool) -> None:
        """Get ready to route, and to `answer`; `learn` waits for what the examples teach."""
        if answer:
            conductor = await self.conductor()
            await self.gateway.prepare()
            await conductor.prepare()
        router = await self._router_of(scope)
        snapshot = await self.store.call(self.registry.snapshot, scope)
        await router.retrieve(Question(query="Ready?"), snapshot)
        if learn:
            await router.settle(snapshot)

    async def check_agents(self, tenant: Scope) -> Checkup:
        """Tell how well the agents can be told apart."""
        router = await self._router_of(tenant)
        return await router.check_up(await self.store.call(self.registry.snapshot, tenant))

    async def rehearse(self, tenant: Scope, agent: Agent) -> Rehearsal:
        """Tell whose queries an agent would take; nothing is registered and no model asked."""
        from .rehearsal import rehearse

        newcomer = await asyncio.to_thread(self.registry.check, agent)
        snapshot = await self.store.call(self.registry.snapshot, tenant)
        last = await self.store.call(self.store.summaries.queries, tenant, limit=LAST)
        encoder = await self._ready_encoder()
        settings = self._settings.router.model_copy(update={"policy": "retrieval"})
        router = self._new_router(encoder, settings, tenant.tenant)
        meter = self.store.ledger.meter(
            tenant, "rehearsal", allowance=Allowance(run_usd=Decimal(0)), step="rehearse"
        )
        try:
            return await rehearse(newcomer, snapshot, last, router, await self._unrecorded(meter))
        finally:
            await router.close()

    async def categories(self, tenant: Scope) -> dict[str, str]:
        """Return the category of every agent."""
        router = await self._router_of(tenant)
        return await router.categories(await self.store.call(self.registry.snapshot, tenant))

    async def routing_metrics(self, scope: Scope, limit: int) -> RoutingMetrics:
        """Tell what the last runs say about the routing."""
        runs = await self.list(scope, limit, None)
        return routing_metrics(runs[::-1], await self.categories(scope))

    async def suggest(
        self, tenant: Scope, names: Sequence[str] | None, limit_usd: Decimal | None
    ) -> tuple[Suggestion, ...]:
        """Suggest descriptions for agents; None: for those that lose queries or attract others'."""
        from ..router.describing import suggest

        checkup = await self.check_agents(tenant)
        snapshot = await self.store.call(self.registry.snapshot, tenant)
        agents = {one.agent.name: one.agent for one in snapshot.live}
        if names is None:
            names = [one.agent for one in checkup.agents if one.first < one.tried or one.attracts]
        else:
            check_names(names, snapshot)
        meter = self.store.ledger.meter(
            tenant,
            f"suggest-{uuid4().hex}",
            allowance=replace(self._allowance, run_usd=limit_usd),
            step="suggest",
        )
        journal = await self._unrecorded(meter)
        model = self._settings.router.model
        return tuple(
            [
                await suggest(model, agents[name], checkup.confusions, agents, journal)
                for name in dict.fromkeys(names)
            ]
        )

    async def write_queries(
        self, tenant: Scope, given: TrainingSet, model: str, most: int, limit_usd: Decimal | None
    ) -> TrainingSet:
        """Have a model write queries for documents."""
        from .training.writing import written

        meter = self.store.ledger.meter(
            tenant,
            f"queries-{uuid4().hex}",
            allowance=replace(self._allowance, run_usd=limit_usd),
            step="queries",
        )
        return await written(given, model, await self._unrecorded(meter), most=most)

    async def start(self, scope: Scope, order: Order) -> str:
        """Begin a run and return its id."""
        conductor = await self.conductor()
        await self._check_pinned(scope, order)
        return await conductor.start(scope, order)

    async def run(self, scope: Scope, order: Order) -> Run:
        """Begin a run, wait for its end and return it; a caller that gives up stops it."""
        run_id = await self.start(scope, replace(order, streamed=False))
        conductor = await self.conductor()
        try:
            await conductor.wait(run_id)
        except asyncio.CancelledError:
            await conductor.cancel(scope, run_id)
            raise
        return await self.get(scope, run_id)

    async def get(self, scope: Scope, run_id: str) -> Run:
        """Return a run as it is stored."""
        return await self.store.call(self.store.runs.get, scope, run_id)

    async def list(self, scope: Scope, limit: int, before: str | None) -> tuple[Run, ...]:
        """Return the last runs, newest first."""
        return await self.store.call(self.store.runs.list, scope, limit=limit, before=before)

    async def replay(self, scope: Scope, run_id: str, making: Replaying) -> str:
        """Begin a run with the query of another, and return its id."""
        run = await self.get(scope.owner, run_id)
        options = await self.store.call(self.store.runs.options, scope.owner, run_id)
        history = from_json(Order, options).history
        if history is None:
            history = await self.store.call(
                self.store.runs.exchanges, run.scope, limit=HISTORY, before=run.created_at
            )
        return await self.start(scope.owner, making(run.query, history))

    async def cancel(self, scope: Scope, run_id: str) -> bool:
        """Stop a run."""
        conductor = await self.conductor()
        return await conductor.cancel(scope, run_id)

    async def events(self, scope: Scope, run_id: str, after: int) -> AsyncIterator[Event]:
        """Yield a run's events as they come."""
        conductor = await self.conductor()
        async for event in conductor.events(scope, run_id, after):
            yield event

    async def resume(self) -> tuple[Run, ...]:
        """Finish the runs that dead processes left, and return them."""
        conductor = await self.conductor()
        resumed: tuple[tuple[Scope, str], ...] = ()
        while taken := await conductor.resume():
            for _, run_id in taken:
                await conductor.wait(run_id)
            resumed += taken
        return tuple([await self.get(scope, run_id) for scope, run_id in resumed])

    async def check_models(self, tenant: Scope) -> tuple[ModelCheck, ...]:
        """Call each configured model once."""
        from ..models.check import check_models

        meter = self.store.ledger.meter(tenant, "models check", allowance=Allowance(), step="check")
        return await check_models(self.gateway, meter)

    async def measure_model(self, tenant: Scope, name: str, at_once: int, calls: int) -> Throughput:
        """Measure the throughput of a model."""
        from ..models.measure import measure

        meter = self.store.ledger.meter(
            tenant, "models measure", allowance=self._allowance, step="measure"
        )
        return await measure(self.gateway, name, meter, at_once=at_once, calls=calls)

    async def audit_reasoning(
        self, scope: Scope, *, everyone: bool, since: datetime | None
    ) -> Audit:
        """Compare billed reasoning tokens with those of earlier calls; None: for a week."""
        from .auditing import audit_reasoning

        encoder = await self.encoder()
        return await asyncio.to_thread(
            audit_reasoning,
            self.store.summaries,
            scope,
            everyone=everyone,
            since=since,
            count_tokens=encoder.count_tokens,
        )

    async def encoder(self) -> Encoder:
        """Return the base encoder."""
        async with self._building:
            return await self._ready_encoder()

    async def memory(self) -> MemoryDesk:
        """Return the desk of what is remembered."""
        from .remembering import MemoryDesk

        async with self._building:
            archive, recall = await self._ready_memory()
            encoder = await self._ready_encoder()
        return MemoryDesk(
            self.store,
            archive,
            recall,
            encoder,
            self._settings.memory,
            partial(datetime.now, UTC),
            read=self._read,
        )

    async def _read(self, scope: Scope, query: str, vector: Vectors) -> Read:
        """Return what experts make of a query of memory; an agent may have one of its own."""
        from ..memory.recall import corpus_of

        lineup = await self.experts.lineup(scope)
        agent = None
        if scope.agent is not None:
            snapshot = await self.store.call(self.registry.snapshot, scope)
            agent = snapshot.by_name.get(scope.agent)
        own = agent.agent.expert if agent else None
        return await read_query(lineup, (corpus_of(scope),), query, vector, None, own=own)

    async def conductor(self) -> Conductor:
        """Return the conductor, and begin to keep its runs."""
        if self._conductor is None:
            routers = await self._ready_routers()
            async with self._building:
                if self._conductor is None:
                    self._conductor = await self._build_conductor(routers)
                    self._keeping = asyncio.create_task(self._conductor.keep())
        return self._conductor

    async def drain(self, timeout_s: float) -> int:
        """Take no more runs and wait for those that go on; return how many were let go."""
        return 0 if self._conductor is None else await self._conductor.drain(timeout_s)

    def close(self) -> None:
        """Stop everything; runs that go on can be resumed by another process."""
        self.loop.wait(self._leave())
        self.loop.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.store.close()
        if self._encoder is not None:
            one_thread.release()

    async def _check_pinned(self, scope: Scope, order: Order) -> None:
        if order.agents is not None:
            snapshot = await self.store.call(self.registry.snapshot, scope)
            check_names(order.agents, snapshot.only(order.allowed))

    async def _leave(self) -> None:
        if self._conductor is not None:
            await self._conductor.close()
        for task in (self._keeping, self._upkeep):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self._archive is not None:
            await self._archive.close()
        if self._routers is not None:
            await self._routers.close()
        await self._servers.close()
        await self.gateway.close()
        if self._telemetry is not None:
            await asyncio.to_thread(self._telemetry.close)

    async def _ready_encoder(self) -> Encoder:
        if self._encoder is None:
            loaded = await asyncio.to_thread(
                load_encoder, self._settings.encoder, self._settings.cache_dir
            )
            one_thread.hold()
            self._encoder = RecentEncoder(loaded)
            self._upkeep = asyncio.create_task(self._new_upkeep().keep())
        return self._encoder

    def _new_upkeep(self) -> Upkeep:
        return Upkeep(
            store=self.store,
            forget=self.forget,
            retention=self._settings.retention if self._recover else None,
        )

    async def _ready_ladders(self) -> Mapping[str, Ladder]:
        if self._ladders is None:
            from ..agents.messages import query_in
            from ..agents.refining.substance import refuses

            reader = Reader(encoder=await self._ready_encoder(), query_in=query_in, refuses=refuses)
            self._ladders = {
                name: Ladder.of(name, model, reader)
                for name, model in self._settings.models.items()
                if model.ladder
            }
        return self._ladders

    async def _unrecorded(self, meter: Meter) -> UnrecordedJournal:
        return UnrecordedJournal(self.gateway, meter, await self._ready_ladders())

    async def _router_of(self, scope: Scope) -> Router:
        return (await self._ready_routers()).of(scope.tenant)

    async def _ready_routers(self) -> Routers:
        async with self._building:
            if self._routers is None:
                encoder, settings = await self._ready_encoder(), self._settings.router
                routers = Routers(partial(self._new_router, encoder, settings))
                routers.of(Scope().tenant)  # what is wrong with the settings is told before a run
                self._routers = routers
        return self._routers

    def _new_router(self, encoder: Encoder, settings: RouterSettings, tenant: str) -> Router:
        scope = Scope(tenant=tenant)
        embed = RememberedEmbedding(
            encoder,
            self.store,
            scope,
            bundled=self._bundled,
            cache_dir=self._settings.cache_dir,
        )
        return Router(
            RetrievalRouter(
                encoder, embed, partial(self._votes, scope), settings, self._settings.cache_dir
            ),
            settings,
            self.gateway,
            tenant=tenant,
            experts=self.experts.lineup,
        )

    async def _ready_reranking(self) -> Reranking | None:
        wanted = self._settings.retrieval
        if self._reranking is None and wanted.reranker is not None:
            from ..search.reranker import load_reranker

            loaded = await asyncio.to_thread(load_reranker, wanted.reranker)
            self._reranking = Reranking(reranker=loaded, best=wanted.rerank)
        return self._reranking

    async def _ready_memory(self) -> tuple[Archive, Recall]:
        if self._archive is None or self._recall is None:
            from ..memory.archive import Archive
            from ..memory.embedding import Embedder
            from ..memory.recall import Recall

            settings, clock = self._settings.memory, partial(datetime.now, UTC)
            reranking = await self._ready_reranking()
            embedder = Embedder(self.store, await self._ready_encoder())
            self._archive = Archive(self.store, embedder, settings, clock)
            self._recall = Recall(
                self.store, embedder, settings, clock, self.gateway.cost_usd, reranking
            )
        return self._archive, self._recall

    async def _votes(self, tenant: Scope, seq: int) -> tuple[Vote, ...]:
        return await self.store.call(self.store.feedback.since, tenant, seq)

    async def _build_conductor(self, routers: Routers) -> Conductor:
        settings = self._settings
        await asyncio.to_thread(import_module, f"{__package__}.conductor")  # LangGraph: 0.7 s
        from ..agents.refining.refiner import Refiner
        from ..agents.runner import AgentRunner
        from .carrier import Carrier
        from .conductor import Conductor
        from .turn import Services

        if settings.telemetry.otlp_endpoint is not None:
            self._telemetry = await asyncio.to_thread(_telemetry, settings)
        encoder = await self._ready_encoder()
        archive, recall = await self._ready_memory()
        carrier = Carrier(
            store=self.store,
            gateway=self.gateway,
            registry=self.registry,
            services=Services(
                routers=routers,
                encoder=encoder,
                archive=archive if settings.memory.enabled else None,
                recall=recall if settings.memory.enabled else None,
                policy=_policy(settings.memory.policy, encoder.name),
                runner=AgentRunner(
                    gateway=self.gateway,
                    encoder=encoder,
                    threads=self._threads,
                    approver=self._approver,
                    vectors=self.store.vectors,
                    servers=self._servers,
                    experts=self.experts.lineup,
                    reranking=await self._ready_reranking(),
                ),
                refiner=Refiner(
                    model=settings.refiner.model, gateway=self.gateway, encoder=encoder
                ),
                ladders=await self._ready_ladders(),
                experts=self.experts.lineup,
            ),
            limits=settings.limits,
            allowance=self._allowance,
        )
        return Conductor(
            store=self.store,
            carrier=carrier,
            limits=settings.limits,
            observers=[*self._observers, *filter(None, [self._telemetry])],
            recover=self._recover,
        )


def _addresses(settings: AddressSettings) -> AddressRule | None:
    rule = AddressRule(allow=settings.allow, public=settings.public, keys=settings.keys)
    return rule if settings.check else None


def _allowance(settings: Settings) -> Allowance:
    """Return what calls of all runs together may cost."""
    limits = settings.limits
    return Allowance(
        session_usd=limits.session_usd,
        user_daily_usd=limits.user_daily_usd,
        daily_usd=limits.daily_usd,
        model_daily_usd={
            name: model.daily_usd
            for name, model in settings.models.items()
            if model.daily_usd is not None
        },
        allow_unpriced=limits.allow_unpriced,
    )


def _telemetry(settings: Settings) -> Telemetry:
    try:
        from .telemetry import Telemetry
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"[telemetry] otlp_endpoint is set, and the package {error.name!r} is not installed. "
            "Install it with: pip install 'callboard[telemetry]'"
        ) from error
    return Telemetry(settings.telemetry, settings.secrets())


def _policy(name: str, encoder: str) -> TierPolicy:
    """Return the policy that the settings name: within the caller's word and the money left."""
    if name in TIERS:
        inner: TierPolicy = FixedPolicy(
            name, reason=f"Left open by the caller; [memory] policy says {name}."
        )
    else:
        inner = load_any_policy(name, encoder=encoder)
    return CappedPolicy(CallerPolicy(inner))


def _bundled(settings: Settings) -> tuple[Agent, ...]:
    if not settings.bundled_agents:
        return ()
    from ..agents.bundled import bundled_agents

    return bundled_agents()
