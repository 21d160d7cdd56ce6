"""The conductor: begins turns, carries them to their end, stops them, and resumes what was left.

Everything here happens on the Board's event loop. A run belongs to one owner (a process) at a
time; the owner's heartbeat keeps its leases, and what a dead owner left is taken over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import uuid4

from ..agents.registry import Registry
from ..codec import from_json, to_json
from ..config import LimitSettings
from ..errors import CallboardError, StoreError, TimedOut
from ..models.gateway import Gateway
from ..store.allowance import Allowance
from ..store.claims import Claim
from ..store.engine import Store
from ..store.runs import RunEnd
from ..values import AnswerDelta, Done, Event, Meter, Scope, Step
from .answering import Answer, AnswerStream
from .journal import RunContext, RunJournal
from .nesting import Account
from .order import Order
from .runlog import Observer, RunLog
from .turn import Services, Turn, build_graph

_log = logging.getLogger(__name__)

POLL_S = 0.25
"""Another process's events are looked for this often; those of this one are told at once."""


@dataclass(slots=True)
class _Running:
    claim: Claim
    task: asyncio.Task[None]
    cancelled: bool = False


class Conductor:
    """Runs the turns of one Board."""

    def __init__(
        self,
        *,
        store: Store,
        gateway: Gateway,
        registry: Registry,
        services: Services,
        limits: LimitSettings,
        allowance: Allowance,
        observers: Sequence[Observer],
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._registry = registry
        self._services = services
        self._limits = limits
        self._allowance = allowance
        self._observers = observers
        self._owner = uuid4().hex
        self._graph = build_graph()
        self._running: dict[str, _Running] = {}
        self._watchers: dict[str, set[asyncio.Event]] = {}

    async def prepare(self) -> None:
        """Get ready what the steps of a turn need."""
        await self._services.refiner.prepare()

    async def start(self, scope: Scope, order: Order) -> str:
        """Accept a query: from here on it is stored, and will be finished. Return the run's id."""
        run_id = uuid4().hex
        claim = await self._store.call(
            self._store.runs.create,
            scope,
            run_id,
            order.query,
            options=to_json(order),
            owner=self._owner,
            lease_s=self._limits.lease_s,
            replays=order.replays,
        )
        self._begin(claim, order, stored={}, sent="")
        return run_id

    async def resume(self) -> tuple[tuple[Scope, str], ...]:
        """Take over the runs whose owner has died, and go on with them; return whose they are."""
        claims = await self._store.call(
            self._store.runs.claim_expired, self._owner, self._limits.lease_s
        )
        for claim in claims:
            await self._resume(claim)
        return tuple((claim.scope, claim.run_id) for claim in claims)

    async def cancel(self, scope: Scope, run_id: str) -> bool:
        """Stop a run, here or in the process that runs it; False if it has ended."""
        going = await self._store.call(self._store.runs.request_cancel, scope, run_id)
        if going and run_id in self._running:
            self._stop(run_id)
        return going

    async def wait(self, run_id: str) -> None:
        """Wait until a run of this process has ended."""
        running = self._running.get(run_id)
        if running is not None:
            await asyncio.wait([running.task])

    async def events(self, scope: Scope, run_id: str, after: int) -> AsyncIterator[Event]:
        """Yield the run's events after number `after`, as they come, up to `Done`."""
        signal = asyncio.Event()
        self._watchers.setdefault(run_id, set()).add(signal)
        try:
            while True:
                signal.clear()
                found = await self._store.call(self._store.events.after, scope, run_id, after)
                for event in found:
                    after = event.seq
                    yield event
                    if isinstance(event.body, Done):
                        return
                if not found:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_S):
                            await signal.wait()
        finally:
            watching = self._watchers[run_id]
            watching.discard(signal)
            if not watching:
                del self._watchers[run_id]

    async def keep(self, *, recover: bool) -> None:
        """Renew leases, see to cancellations, and take over what others left; for ever."""
        while True:
            with suppress(StoreError):
                if recover:
                    await self.resume()
                await self._store.call(
                    self._store.runs.heartbeat, self._owner, self._limits.lease_s
                )
                for run_id, running in list(self._running.items()):
                    if await self._store.call(self._store.runs.cancel_requested, running.claim):
                        self._stop(run_id)
            await asyncio.sleep(min(1.0, self._limits.lease_s / 3))

    async def close(self) -> None:
        """Stop working; runs that have not ended can be resumed at once by another process."""
        running = list(self._running.values())
        for entry in running:
            if not entry.cancelled:  # one that was stopped is writing its end
                entry.task.cancel()
        await asyncio.gather(*(entry.task for entry in running), return_exceptions=True)
        await self._store.call(self._store.runs.release, self._owner)

    def _stop(self, run_id: str) -> None:
        running = self._running[run_id]
        if not running.cancelled:
            running.cancelled = True
            running.task.cancel()

    async def _resume(self, claim: Claim) -> None:
        options = await self._store.call(self._store.runs.options, claim.scope, claim.run_id)
        steps = await self._store.call(self._store.runs.steps, claim.scope, claim.run_id)
        sent, seq = "", 0
        while events := await self._store.call(
            self._store.events.after, claim.scope, claim.run_id, seq
        ):
            seq = events[-1].seq
            sent += "".join(e.body.text for e in events if isinstance(e.body, AnswerDelta))
        stored = {step.key: step for step in steps}
        self._begin(claim, from_json(Order, options), stored=stored, sent=sent)

    def _begin(self, claim: Claim, order: Order, *, stored: dict[str, Step], sent: str) -> None:
        task = asyncio.create_task(self._carry(claim, order, stored, sent))
        self._running[claim.run_id] = _Running(claim=claim, task=task)
        task.add_done_callback(lambda _: self._running.pop(claim.run_id, None))

    def _written(self, run_id: str) -> None:
        for signal in self._watchers.get(run_id, ()):
            signal.set()

    async def _carry(self, claim: Claim, order: Order, stored: dict[str, Step], sent: str) -> None:
        """Carry one run to its end; a run that was taken over is let go."""
        watchers = [one.run(claim, order.query) for one in self._observers]
        log = RunLog(self._store, claim, lambda _: self._written(claim.run_id), watchers)
        started = time.perf_counter()
        end = None
        try:
            end = await self._turn(claim, order, stored, sent, log)
            await log.flush(
                end=end, events=[Done(status=end.status, answer=end.answer, error=end.error)]
            )
        except StoreError:
            return
        except asyncio.CancelledError:
            if not self._running[claim.run_id].cancelled:
                raise  # the Board closes: the run stays open, to be resumed
            end = RunEnd(status="cancelled", error="The run was stopped.")
            await log.flush(end=end, events=[Done(status=end.status, error=end.error)])
        finally:
            await log.close()
            _log.info(
                "Run ended",
                extra={
                    "run_id": claim.run_id,
                    "tenant": claim.scope.tenant,
                    "user": claim.scope.user,
                    "session": claim.scope.session,
                    "status": end.status if end else "left",
                    "latency_s": round(time.perf_counter() - started, 3),
                },
            )

    async def _turn(
        self, claim: Claim, order: Order, stored: dict[str, Step], sent: str, log: RunLog
    ) -> RunEnd:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._limits.turn_timeout_s):
                turn = await self._prepare(claim, order, stored, sent, log, started)
                state = await self._graph.ainvoke({}, context=turn)
        except StoreError:
            raise
        except TimeoutError:
            error = TimedOut(
                f"The turn took longer than {self._limits.turn_timeout_s:g} s. "
                "Raise [limits] turn_timeout_s, or that of the agent that is slow."
            )
            return RunEnd(status="failed", error=str(error))
        except CallboardError as error:
            return RunEnd(status="failed", error=str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave a run open for ever
            _log.exception("Run %s failed by a fault in Callboard", claim.run_id)
            return RunEnd(status="failed", error=f"A fault in Callboard: {error!r}")
        answer: Answer = state["answer"]
        return RunEnd(
            status="failed" if answer.failed else "done",
            answer=answer.text,
            error=answer.text if answer.failed else None,
        )

    async def _prepare(
        self,
        claim: Claim,
        order: Order,
        stored: dict[str, Step],
        sent: str,
        log: RunLog,
        started: float,
    ) -> Turn:
        question = await order.question(self._store, claim.scope)
        snapshot = await self._store.call(self._registry.snapshot, claim.scope)

        above = order.account

        def meter(step: str, agent: str | None) -> Meter:
            called = snapshot.by_name.get(agent or "")
            allowance = replace(
                self._allowance,
                run_usd=order.budget_usd,
                account_usd=above.limit_usd if above else None,
                agent_daily_usd=called.agent.limits.daily_usd if called else None,
            )
            return self._store.ledger.meter(
                claim.scope,
                claim.run_id,
                allowance=allowance,
                step=step,
                agent=agent,
                account=above.run_id if above else None,
                books=log,
            )

        context = RunContext(
            run_id=claim.run_id,
            scope=claim.scope,
            log=log,
            gateway=self._gateway,
            meter=meter,
            stored=stored,
            ladders=self._services.ladders,
        )
        return Turn(
            run_id=claim.run_id,
            scope=claim.scope,
            question=question,
            memory=order.memory,
            memory_limit_usd=order.memory_budget_usd,
            replays=order.replays,
            streamed=order.streamed,
            account=above or Account(run_id=claim.run_id, limit_usd=order.budget_usd),
            snapshot=snapshot,
            services=self._services,
            router=self._services.routers.of(claim.scope.tenant),
            journal=RunJournal(context),
            log=log,
            stream=AnswerStream(log, sent),
            started=started,
        )
