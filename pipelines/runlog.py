"""The log of one run in progress: gathers steps, events and bookings, and commits them in order.

What is acknowledged is written before it is: the query, money set aside before a call is made, and
the end. What stands in between is written with the next of these or within a moment. A process that
dies in that moment makes a call again at most; the money of the first one stays counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from ..errors import StoreError
from ..store.booking import Booking
from ..store.claims import Claim
from ..store.engine import Store
from ..store.runs import RunEnd
from ..values import AnswerDelta, Decision, Draft, Event, EventBody, Step

GATHER_S = 0.05
"""Pieces of text are gathered this long before they are written as one event."""


@dataclass(slots=True)
class _Notes:
    """What is not written yet."""

    steps: dict[str, Step] = field(default_factory=dict)
    events: list[EventBody] = field(default_factory=list)
    bookings: list[Booking] = field(default_factory=list)
    decision: Decision | None = None
    end: RunEnd | None = None

    def __bool__(self) -> bool:
        return bool(self.steps or self.events or self.bookings or self.decision or self.end)


class Watcher(Protocol):
    """Is told what a run does."""

    def step(self, step: Step) -> None:
        """Hear of a step that begins or ends."""

    def end(self, end: RunEnd | None) -> None:
        """Hear of the end of the run; None: it is left to another process."""


class Observer(Protocol):
    """Watches the runs of a Board."""

    def run(self, claim: Claim, query: str) -> Watcher:
        """Begin to watch a run that begins or is resumed here."""


class RunLog:
    """Writes one run's record, and is the `Books` of its meters. Used on the Board's loop only.

    `last_seq` is the number of the run's last event so far. `written` is called with the events
    of each commit; `watchers` hear of the steps at once. A log that could not write once writes
    no more: the run is another's, or the database was out of reach for too long.
    """

    def __init__(
        self,
        store: Store,
        claim: Claim,
        written: Callable[[Sequence[Event]], None],
        watchers: Sequence[Watcher] = (),
        *,
        last_seq: int = 0,
    ) -> None:
        self._store = store
        self._claim = claim
        self._written = written
        self._watchers = watchers
        self._last_seq = last_seq
        self._broken: StoreError | None = None
        self._ended: RunEnd | None = None
        self._notes = _Notes()
        self._writing = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None

    @property
    def ended(self) -> RunEnd | None:
        """How the run ended, as it is stored; None: it has not."""
        return self._ended

    def add(
        self,
        *,
        step: Step | None = None,
        event: EventBody | None = None,
        decision: Decision | None = None,
    ) -> None:
        """Note something; it is written with the next flush, within a moment."""
        if step is not None:
            self._notes.steps[step.key] = step
            for watcher in self._watchers:
                watcher.step(step)
        if event is not None:
            self._note(event)
        self._notes.decision = decision or self._notes.decision
        self._write_soon()

    async def book(self, booking: Booking) -> None:
        """Make a booking, together with all that was noted.

        Raises:
            StoreError: the record can't be written, see `flush`.
        """
        self._notes.bookings.append(booking)
        try:
            await self.flush()
        except StoreError:
            with suppress(ValueError):
                self._notes.bookings.remove(booking)
            raise

    async def note(self, booking: Booking) -> None:
        """Note a booking; it is made with the next flush, within a moment."""
        self._notes.bookings.append(booking)
        self._write_soon()

    async def flush(self, *, end: RunEnd | None = None, events: Sequence[EventBody] = ()) -> None:
        """Write all that was noted, and `end` the run with it.

        Raises:
            StoreError: another process has taken the run over, or the database is out of reach.
        """
        self._notes.events.extend(events)
        self._notes.end = end or self._notes.end
        # A write that has begun is finished, whoever is cancelled: others wait for it.
        await asyncio.shield(asyncio.ensure_future(self._write()))

    async def close(self) -> None:
        """Stop the timer; what is not flushed is dropped, but for what calls have cost."""
        if self._timer is not None:
            self._timer.cancel()
            await asyncio.gather(self._timer, return_exceptions=True)
        async with self._writing:
            notes, self._notes = self._notes, _Notes()
        for watcher in self._watchers:
            watcher.end(self._ended)
        with suppress(StoreError):
            for booking in notes.bookings:
                await self._store.book(booking)

    async def _write(self) -> None:
        async with self._writing:
            await asyncio.sleep(0)  # what others are just about to note is written with it
            if self._broken is not None:
                raise self._broken
            notes, self._notes = self._notes, _Notes()
            if not notes:
                return
            try:
                self._last_seq = await self._store.call(
                    self._store.runs.record,
                    self._claim,
                    steps=tuple(notes.steps.values()),
                    events=tuple(notes.events),
                    decision=notes.decision,
                    end=notes.end,
                    bookings=tuple(notes.bookings),
                    after=self._last_seq,
                )
            except StoreError as error:
                self._broken = error
                self._notes.bookings = notes.bookings + self._notes.bookings
                raise
        self._ended = notes.end or self._ended
        first = self._last_seq - len(notes.events) + 1
        self._written(
            [
                Event(run_id=self._claim.run_id, seq=n, body=e)
                for n, e in enumerate(notes.events, first)
            ]
        )

    def _write_soon(self) -> None:
        if self._timer is None or self._timer.done():
            self._timer = asyncio.create_task(self._write_later())

    async def _write_later(self) -> None:
        with suppress(StoreError):  # kept, and told by the next flush that someone waits for
            while self._notes:  # also what came in mid-write
                await asyncio.sleep(GATHER_S)
                await self.flush()

    def _note(self, event: EventBody) -> None:
        last = self._notes.events[-1] if self._notes.events else None
        if isinstance(event, AnswerDelta) and isinstance(last, AnswerDelta):
            self._notes.events[-1] = AnswerDelta(text=last.text + event.text)
        elif isinstance(event, Draft) and isinstance(last, Draft) and last.agent == event.agent:
            self._notes.events[-1] = Draft(agent=event.agent, text=last.text + event.text)
        else:
            self._notes.events.append(event)
