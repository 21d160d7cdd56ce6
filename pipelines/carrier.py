"""The carrier: makes the turn of a run and follows it to its end, from wherever the run stands."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..agents.registry import Registry
from ..codec import from_json
from ..config import LimitSettings
from ..errors import CallboardError, StoreError, TimedOut
from ..models.gateway import Gateway
from ..store.allowance import Allowance
from ..store.claims import Claim, Taken
from ..store.engine import Store
from ..store.runs import RunEnd
from ..values import AnswerDelta, Meter, Step, StepEnded
from .answering import Answer, AnswerStream
from .journal import RunContext, RunJournal
from .nesting import Account
from .order import Order
from .runlog import RunLog
from .turn import Services, Turn, build_graph

_log = logging.getLogger(__name__)

LOSSES = 10
"""A run over which so many processes died in a row, without a step done in between, is given up:
it is probably what kills them. Where workers were killed every few seconds on a busy machine, one
of 300 runs that had no part in it stood beside five in a row."""

STOPPED = RunEnd(status="cancelled", error="The run was stopped.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """What earlier owners left of a run: its steps by key, and what was told of the answer."""

    steps: Mapping[str, Step] = field(default_factory=dict)
    sent: str = ""


class Carrier:
    """Carries the runs of one Board."""

    def __init__(
        self,
        *,
        store: Store,
        gateway: Gateway,
        registry: Registry,
        services: Services,
        limits: LimitSettings,
        allowance: Allowance,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._registry = registry
        self._services = services
        self._limits = limits
        self._allowance = allowance
        self._graph = build_graph()

    async def prepare(self) -> None:
        """Get ready what the steps of a turn need."""
        await self._services.refiner.prepare()

    async def carry(self, taken: Taken, log: RunLog, order: Order | None = None) -> RunEnd:
        """Make the turn, and return how it ended. `order` is what the run's options say.

        Raises:
            StoreError: the run was taken over, or the database is out of reach.
        """
        started = time.perf_counter()
        try:
            left = await self._left(taken.claim) if taken.last_seq else _Left()
            if (over := _over(taken)) is not None:
                _close(left, over, log)
                return over
            order = order or from_json(Order, taken.options)
            async with asyncio.timeout(self._limits.turn_timeout_s):
                turn = await self._turn(taken.claim, order, left, log, started)
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
            _log.exception("Run %s failed by a fault in Callboard", taken.claim.run_id)
            return RunEnd(status="failed", error=f"A fault in Callboard: {error!r}")
        answer: Answer = state["answer"]
        return RunEnd(
            status="failed" if answer.failed else "done",
            answer=answer.text,
            error=answer.text if answer.failed else None,
        )

    async def _left(self, claim: Claim) -> _Left:
        steps = await self._store.call(self._store.runs.steps, claim.scope, claim.run_id)
        sent, seq = "", 0
        while events := await self._store.call(
            self._store.events.after, claim.scope, claim.run_id, seq
        ):
            seq = events[-1].seq
            sent += "".join(e.body.text for e in events if isinstance(e.body, AnswerDelta))
        return _Left(steps={step.key: step for step in steps}, sent=sent)

    async def _turn(
        self, claim: Claim, order: Order, left: _Left, log: RunLog, started: float
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
            stored=left.steps,
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
            stream=AnswerStream(log, left.sent),
            started=started,
        )


def _over(taken: Taken) -> RunEnd | None:
    """Return the end of a run that is not carried on, if it is such a one."""
    if taken.cancel_requested:
        return STOPPED
    if taken.losses < LOSSES:
        return None
    return RunEnd(
        status="failed",
        error=f"{taken.losses} processes in a row died in the middle of this run, without a step "
        "done in between. It is not begun again: look in their logs for what ended them.",
    )


def _close(left: _Left, over: RunEnd, log: RunLog) -> None:
    """End the steps in the middle of which the run was left."""
    for step in left.steps.values():
        if step.status == "running":
            ended = replace(step, status=over.status, error=over.error)
            log.add(step=ended, event=StepEnded(step=ended))
