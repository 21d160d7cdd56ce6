"""The log of one run in progress: gathers steps and events and commits them in their order.

What costs nothing to repeat is gathered for a moment and written in one transaction; before money
is spent, and after, the log is flushed, so that what was paid for is never lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from ..errors import StoreError
from ..store.claims import Claim
from ..store.engine import Store
from ..store.runs import RunEnd
from ..values import AnswerDelta, Decision, Draft, EventBody, Step

GATHER_S = 0.05
"""Pieces of text are gathered this long before they are written as one event."""


class RunLog:
    """Writes one run's record. Used on the Board's event loop only.

    `written` is called with the number of the last event after each commit.
    """

    def __init__(self, store: Store, claim: Claim, written: Callable[[int], None]) -> None:
        self._store = store
        self._claim = claim
        self._written = written
        self._steps: dict[str, Step] = {}
        self._events: list[EventBody] = []
        self._decision: Decision | None = None
        self._writing = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None

    def add(
        self,
        *,
        step: Step | None = None,
        event: EventBody | None = None,
        decision: Decision | None = None,
    ) -> None:
        """Note something; it is written with the next flush, within a moment."""
        if step is not None:
            self._steps[step.key] = step
        if event is not None:
            self._note(event)
        self._decision = decision or self._decision
        if self._timer is None or self._timer.done():
            self._timer = asyncio.create_task(self._flush_soon())

    async def flush(self, *, end: RunEnd | None = None, events: Sequence[EventBody] = ()) -> None:
        """Write all that was noted, and `end` the run with it.

        Raises:
            StoreError: another process has taken the run over.
        """
        async with self._writing:
            self._events.extend(events)
            steps, noted, decision = self._steps, self._events, self._decision
            self._steps, self._events, self._decision = {}, [], None
            if not (steps or noted or decision or end):
                return
            try:
                seq = await self._store.call(
                    self._store.runs.record,
                    self._claim,
                    steps=tuple(steps.values()),
                    events=tuple(noted),
                    decision=decision,
                    end=end,
                )
            except StoreError:
                self._steps = {**steps, **self._steps}
                self._events = [*noted, *self._events]
                self._decision = self._decision or decision
                raise
        self._written(seq)

    async def close(self) -> None:
        """Stop the timer; what is not flushed is dropped."""
        if self._timer is not None:
            self._timer.cancel()
            await asyncio.gather(self._timer, return_exceptions=True)

    async def _flush_soon(self) -> None:
        with suppress(StoreError):  # kept, and told by the next flush that someone waits for
            while self._steps or self._events or self._decision:  # also what came in mid-write
                await asyncio.sleep(GATHER_S)
                await self.flush()

    def _note(self, event: EventBody) -> None:
        last = self._events[-1] if self._events else None
        if isinstance(event, AnswerDelta) and isinstance(last, AnswerDelta):
            self._events[-1] = AnswerDelta(text=last.text + event.text)
        elif isinstance(event, Draft) and isinstance(last, Draft) and last.agent == event.agent:
            self._events[-1] = Draft(agent=event.agent, text=last.text + event.text)
        else:
            self._events.append(event)
