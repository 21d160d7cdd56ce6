"""The conductor: begins turns, sees that each comes to its end, stops them, and resumes others'.

Everything here happens on the Board's event loop. A run belongs to one owner (a process) at a
time. It carries as many as it has room for, and the others wait in the database for whoever has;
its heartbeat keeps the leases of what it carries, and what it dropped or died over is taken over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

from ..codec import to_json
from ..config import LimitSettings
from ..errors import Busy, StoreError
from ..store.claims import Taken
from ..store.engine import Store
from ..values import JSON, Done, Event, Scope
from .carrier import STOPPED, Carrier
from .order import Order
from .room import Room
from .runlog import Observer, RunLog
from .watchers import LOOK_S, Watchers

_log = logging.getLogger(__name__)

ROUND_S = 0.5
"""Runs that wait for room, or whose owner died, and wishes to cancel are looked for this often."""


@dataclass(slots=True)
class _Running:
    task: asyncio.Task[None]
    cancelled: bool = False
    ended: bool = False


class Conductor:
    """Runs the turns of one Board.

    With `recover` it takes what others left, and whatever waits; else only what it accepted.
    """

    def __init__(
        self,
        *,
        store: Store,
        carrier: Carrier,
        limits: LimitSettings,
        observers: Sequence[Observer],
        recover: bool,
    ) -> None:
        self._store = store
        self._carrier = carrier
        self._limits = limits
        self._observers = observers
        self._recover = recover
        self._owner = uuid4().hex
        self._running: dict[str, _Running] = {}
        self._watchers = Watchers(store)
        self._room = Room(limits.turns_at_once)
        self._queued: set[str] = set()  # what waits and is for this process alone to take
        self._more = False  # as far as is known, runs wait
        self._wake = asyncio.Event()
        self._claiming = asyncio.Lock()
        self._draining = False

    async def prepare(self) -> None:
        """Get ready what the steps of a turn need."""
        await self._carrier.prepare()

    async def start(self, scope: Scope, order: Order) -> str:
        """Accept a query: from here on it is stored, and will be finished. Return the run's id.

        Without room for it here, it waits for the process that has some first.

        Raises:
            Busy: as many wait as may, or this process is about to end; nothing was stored.
        """
        run_id, options = uuid4().hex, to_json(order)
        within = order.account is not None  # a turn of this process waits for it
        if self._draining and not within:
            raise Busy("This process is about to end and takes no more queries. Ask another one.")
        if not within and (self._more or not self._room.take()):
            await self._enqueue(scope, run_id, order, options)
            return run_id
        place = not within
        try:
            claim = await self._store.call(
                self._store.runs.create,
                scope,
                run_id,
                order.query,
                options=options,
                owner=self._owner,
                lease_s=self._limits.lease_s,
                replays=order.replays,
            )
        except BaseException:
            self._room.give_back(place)
            raise
        self._begin(Taken(claim=claim, options=options), order, place=place)
        return run_id

    async def resume(self) -> tuple[tuple[Scope, str], ...]:
        """Take over runs that others left, as far as there is room, and go on with them.

        Returns whose they are.
        """
        taken, _ = await self._claim(
            lambda places: self._store.call(
                self._store.runs.claim_expired,
                self._owner,
                self._limits.lease_s,
                carried=tuple(self._running),
                limit=places,
            )
        )
        return tuple((one.claim.scope, one.claim.run_id) for one in taken)

    async def cancel(self, scope: Scope, run_id: str) -> bool:
        """Stop a run, here or in the process that runs it; False if it has ended."""
        going = await self._store.call(self._store.runs.request_cancel, scope, run_id)
        if going and run_id in self._running:
            self._stop(run_id)
        elif going:  # if it waits, it ends here
            for one in await self._claim_queued(1, only=(run_id,)):
                self._begin(one, place=False)
        return going

    async def wait(self, run_id: str) -> None:
        """Wait until a run has ended, whoever carries it."""
        with self._watchers.watch(run_id) as watch:
            while not watch.ended:
                running = self._running.get(run_id)
                if running is None:
                    await watch.wait()
                    continue
                await asyncio.wait([running.task])
                if running.ended:
                    return

    async def events(self, scope: Scope, run_id: str, after: int) -> AsyncIterator[Event]:
        """Yield the run's events after number `after`, as they come, up to `Done`."""
        with self._watchers.watch(run_id) as watch:
            shown = False  # the database says first whether the run is of this scope
            while True:
                ended = watch.ended
                found = watch.after(after) if shown else ()
                if not found:
                    found = await self._store.call(self._store.events.after, scope, run_id, after)
                shown = True
                for event in found:
                    after = event.seq
                    yield event
                    if isinstance(event.body, Done):
                        return
                if ended and not found:
                    return
                if not found or watch.is_last(after):
                    await watch.wait()

    async def keep(self) -> None:
        """Renew leases, see to cancellations, and take what waits or was left; for ever."""
        await asyncio.gather(self._look(), self._go_round())

    async def drain(self, timeout_s: float) -> int:
        """Take no more runs and wait for those that go on, at most `timeout_s`.

        The rest is let go, for others to go on with at once; return how many these are.
        """
        self._draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._running:
                    await asyncio.wait([running.task for running in self._running.values()])
        return await self._let_go()

    async def close(self) -> None:
        """Stop working; runs that have not ended can be resumed at once by another process."""
        self._draining = True
        await self._let_go()

    # Taking ------------------------------------------------------------------------------------

    async def _enqueue(self, scope: Scope, run_id: str, order: Order, options: JSON) -> None:
        await self._store.call(
            self._store.runs.enqueue,
            scope,
            run_id,
            order.query,
            options=options,
            most=self._limits.queue,
            replays=order.replays,
        )
        if not self._recover:
            self._queued.add(run_id)
        self._more = True
        self._wake.set()

    async def _take_queued(self) -> None:
        only = None if self._recover else tuple(self._queued)
        taken, places = await self._claim(lambda places: self._claim_queued(places, only))
        if len(taken) < places:  # these were all, but more may have come meanwhile
            self._queued.difference_update(only or ())
            self._more = bool(self._queued)

    async def _claim_queued(self, most: int, only: tuple[str, ...] | None) -> tuple[Taken, ...]:
        return await self._store.call(
            self._store.runs.claim_queued,
            self._owner,
            self._limits.lease_s,
            limit=most,
            only=only,
        )

    async def _claim(
        self, claim: Callable[[int], Awaitable[tuple[Taken, ...]]]
    ) -> tuple[tuple[Taken, ...], int]:
        """Claim as many runs as there is room for, and begin them; return how many might be."""
        async with self._claiming:
            if self._draining:
                return (), 0
            places = self._room.take(self._room.free)
            taken: tuple[Taken, ...] = ()
            try:
                taken = await claim(places) if places else ()
            finally:
                self._room.give_back(places - len(taken))
            for one in taken:
                self._begin(one)
            return taken, places

    def _begin(self, taken: Taken, order: Order | None = None, *, place: bool = True) -> None:
        run_id = taken.claim.run_id
        task = asyncio.create_task(self._carry(taken, order))
        running = self._running[run_id] = _Running(task)
        task.add_done_callback(lambda _: self._left(run_id, running, place))
        self._watchers.tell(run_id)

    def _left(self, run_id: str, running: _Running, place: bool) -> None:
        # A run that was taken away may have come back while the task that lost it still ends.
        if self._running.get(run_id) is running:
            del self._running[run_id]
        self._room.give_back(place)
        if self._more:
            self._wake.set()

    def _stop(self, run_id: str) -> None:
        running = self._running[run_id]
        if not running.cancelled:
            running.cancelled = True
            running.task.cancel()

    async def _let_go(self) -> int:
        async with self._claiming:  # what is being claimed is let go too
            running = list(self._running.values())
            for entry in running:
                if not entry.cancelled:  # one that was stopped is writing its end
                    entry.task.cancel()
            await asyncio.gather(*(entry.task for entry in running), return_exceptions=True)
            with suppress(StoreError):  # out of reach: the leases run out by themselves
                await self._store.call(self._store.runs.release, self._owner)
        return sum(not entry.ended for entry in running)

    # Carrying ----------------------------------------------------------------------------------

    async def _carry(self, taken: Taken, order: Order | None) -> None:
        """Carry one run to its end; a run that was taken over is let go."""
        claim, started = taken.claim, time.perf_counter()
        running = self._running[claim.run_id]
        query = order.query if order else taken.options["query"]
        log = RunLog(
            self._store,
            claim,
            lambda events: self._watchers.hand(claim.run_id, events),
            [one.run(claim, query) for one in self._observers],
            last_seq=taken.last_seq,
        )
        try:
            end = await self._carrier.carry(taken, log, order)
            await log.flush(
                end=end, events=[Done(status=end.status, answer=end.answer, error=end.error)]
            )
        except StoreError as error:
            _log.warning("Run %s was left: %s", claim.run_id, error)
            if not error.transient:
                with suppress(StoreError):
                    await self._store.call(self._store.runs.outlive, claim)
        except asyncio.CancelledError:
            if not running.cancelled:
                raise  # the Board closes: the run stays open, to be resumed
            with suppress(StoreError):  # it had ended, or is another's
                await log.flush(
                    end=STOPPED, events=[Done(status=STOPPED.status, error=STOPPED.error)]
                )
        finally:
            await log.close()
            running.ended = log.ended is not None
            _log.info(
                "Run ended",
                extra={
                    "run_id": claim.run_id,
                    "tenant": claim.scope.tenant,
                    "user": claim.scope.user,
                    "session": claim.scope.session,
                    "status": log.ended.status if log.ended else "left",
                    "latency_s": round(time.perf_counter() - started, 3),
                },
            )

    # Upkeep ------------------------------------------------------------------------------------

    async def _look(self) -> None:
        while True:
            with suppress(StoreError):
                await self._watchers.look(self._running)
            await asyncio.sleep(LOOK_S)

    async def _go_round(self) -> None:
        beaten = time.monotonic()
        while True:
            self._wake.clear()
            try:
                if time.monotonic() - beaten >= self._limits.lease_s / 3:
                    await self._renew()
                    beaten = time.monotonic()
                await self._stop_cancelled()
                await self._take_what_waits()
            except StoreError as error:
                _log.warning("What waits could not be looked for: %s", error)
            except Exception:  # noqa: BLE001 - without these rounds every lease would run out
                _log.exception("A fault in Callboard, in the upkeep of runs")
            with suppress(TimeoutError):
                async with asyncio.timeout(min(ROUND_S, self._limits.lease_s / 3)):
                    await self._wake.wait()

    async def _renew(self) -> None:
        carried = tuple(self._running)
        if carried:
            await self._store.call(
                self._store.runs.heartbeat, self._owner, self._limits.lease_s, carried
            )

    async def _stop_cancelled(self) -> None:
        carried = tuple(self._running)
        if carried:
            for run_id in await self._store.call(self._store.runs.cancelled, carried):
                if run_id in self._running:
                    self._stop(run_id)

    async def _take_what_waits(self) -> None:
        if not self._room.free or self._draining:
            return
        if not self._recover:
            if self._more:
                await self._take_queued()
            return
        waiting = await self._store.call(self._store.runs.waiting)
        # Nobody could renew a lease while the database was out of reach.
        if waiting.expired and self._store.reached_s > self._limits.lease_s:
            await self.resume()
        if waiting.queued:
            await self._take_queued()
        else:
            self._more = False
