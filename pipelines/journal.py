"""The journal of a run: every step is stored, and a step that is done is never done again.

Durability has this one truth. A resumed turn enters the graph again; each step that it comes to
is looked up by its key, and what is done gives back what it gave then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import uuid4

from ..codec import from_json, to_json
from ..errors import CallboardError, StoreError
from ..model_settings import ModelChoice, model_name
from ..models.chat import ChatReply, ChatRequest
from ..models.gateway import Gateway
from ..models.journal import Journal, OnText
from ..models.ladder import Ladder
from ..values import Meter, Reservation, Scope, Step, StepEnded, StepStarted, Usage, add_usage
from .runlog import RunLog

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What all journals of one run share. `stored` are the steps of an earlier attempt, by key.

    `meter` gives that of a step of the turn and the agent that it works for. `ladders` are climbed
    where their names are asked.
    """

    run_id: str
    scope: Scope
    log: RunLog
    gateway: Gateway
    meter: Callable[[str, str | None], Meter]
    stored: Mapping[str, Step]
    ladders: Mapping[str, Ladder]


class RunJournal:
    """Records the steps below `parent`, or the first steps of the run. A `models.Journal`."""

    def __init__(self, run: RunContext, parent: Step | None = None) -> None:
        self._run = run
        self._parent = parent

    async def once(
        self,
        key: str,
        name: str,
        work: Callable[[Journal], Awaitable[T]],
        *,
        returns: Any,
        agent: str | None = None,
        repeatable: bool = True,
    ) -> T:
        """Do `work` as a step, unless the run did it before.

        What may not be repeated is written before it begins, and when it has ended.
        """
        step, done = self._begin(key, name, agent=agent, repeatable=repeatable)
        if done:
            value: T = from_json(returns, step.output)
            return value
        self._announce(step)
        if not repeatable:
            await self._run.log.flush()
        started = time.perf_counter()
        try:
            result = await work(RunJournal(self._run, step))
        except BaseException as error:
            self._fail(step, started, error)
            raise
        self._end(step, started, status="done", output=to_json(result, returns))
        if not repeatable:
            await self._run.log.flush()
        return result

    async def ask(
        self, model: ModelChoice, request: ChatRequest, *, key: str, on_text: OnText | None = None
    ) -> ChatReply:
        """Ask a model as a step of its own, which carries what the call used."""
        if isinstance(model, str) and model in self._run.ladders:
            return await self._run.ladders[model].climb(self, request, key=key, on_text=on_text)
        step, done = self._begin(key, "call", model=model_name(model))
        if done:
            reply = from_json(ChatReply, step.output)
            if on_text is not None:
                on_text(reply.text)
            return reply
        self._announce(step)  # written when the call's money is set aside
        started = time.perf_counter()
        tally = _Tally(self._run.meter(step_of_turn(step.key), step.agent))
        try:
            reply = await self._run.gateway.ask(
                model, request, meter=tally, on_text=on_text, scope=self._run.scope
            )
        except BaseException as error:
            self._fail(replace(step, usage=tally.usage), started, error)
            raise
        used = replace(step, usage=tally.usage)
        self._end(used, started, status="done", output=to_json(reply))
        return reply

    def _begin(
        self,
        key: str,
        name: str,
        *,
        agent: str | None = None,
        model: str | None = None,
        repeatable: bool = True,
    ) -> tuple[Step, bool]:
        """Return the step, and whether it is done already.

        Raises:
            CallboardError: it failed in an earlier attempt, or was cut off and may not be repeated.
        """
        full = f"{self._parent.key}/{key}" if self._parent else key
        earlier = self._run.stored.get(full)
        if earlier is not None and earlier.status == "done":
            return earlier, True
        if earlier is not None and earlier.status == "failed":
            raise CallboardError(earlier.error or f"The step {full!r} failed.")
        if earlier is not None and not repeatable:
            raise CallboardError(
                f"{agent or name} was begun before, but its process ended in the middle. It may "
                "have had its effect, and is not begun again: it does not say idempotent=True."
            )
        step = Step(
            id=earlier.id if earlier else uuid4().hex,
            run_id=self._run.run_id,
            parent_id=self._parent.id if self._parent else None,
            key=full,
            name=name,
            agent=agent or (self._parent.agent if self._parent else None),
            model=model,
            attempt=earlier.attempt + 1 if earlier else 1,
            started_at=datetime.now(UTC),
        )
        return step, False

    def _announce(self, step: Step) -> None:
        self._run.log.add(step=step, event=StepStarted(step=step))

    def _end(self, step: Step, started: float, **changes: Any) -> None:
        ended = replace(step, latency_s=time.perf_counter() - started, **changes)
        # The event goes to whoever watches; the output stands in the step's row.
        self._run.log.add(step=ended, event=StepEnded(step=replace(ended, output=None)))

    def _fail(self, step: Step, started: float, error: BaseException) -> None:
        if isinstance(error, StoreError):
            return  # the record itself failed; there is nothing to write to
        if isinstance(error, asyncio.CancelledError):
            self._end(step, started, status="cancelled", error="stopped")
        else:
            message = str(error) or type(error).__name__
            self._end(step, started, status="failed", error=message)


class _Tally:
    """Passes on to the run's meter, and keeps what this one call used."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.usage = Usage(reasoning_tokens=0)  # nothing yet: that is known

    async def reserve(self, amount_usd: Decimal | None, *, model: str) -> Reservation:
        return await self._meter.reserve(amount_usd, model=model)

    async def settle(self, reservation: Reservation, usage: Usage) -> None:
        self.usage = add_usage(self.usage, usage)
        await self._meter.settle(reservation, usage)

    async def release(self, reservation: Reservation) -> None:
        await self._meter.release(reservation)


def step_of_turn(key: str) -> str:
    """Return the step of the turn in which the step of this key is: `act` of `act:dates/1`."""
    return key.partition("/")[0].partition(":")[0]
