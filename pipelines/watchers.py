"""Those who wait for what runs do, in this process or in another.

What this process writes it tells them at once, and hands it to them. What others write is looked
for: in one query for all who wait, so that a thousand of them cost no more than one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..store.engine import Store
from ..values import Event

LOOK_S = 0.25
"""What other processes wrote is looked for this often."""

KEPT = 100
"""So many of the last events are handed over; who is further behind reads the database."""


@dataclass(slots=True)
class _Watched:
    """A run that someone waits for, and what was last seen of it.

    `latest` are the last events of all that were written here, without a gap.
    """

    seq: int = -1
    ended: bool = False
    latest: deque[Event] = field(default_factory=lambda: deque(maxlen=KEPT))
    watches: list[Watch] = field(default_factory=list)


class Watch:
    """One who waits for a run."""

    def __init__(self, watched: _Watched) -> None:
        self._watched = watched
        self._signal = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether the run was seen to have ended in another process, or to be gone."""
        return self._watched.ended

    def after(self, seq: int) -> tuple[Event, ...]:
        """Return the events after number `seq`; none: they are not at hand, or there are none."""
        latest = self._watched.latest
        if not latest or latest[0].seq > seq + 1:
            return ()
        return tuple(event for event in latest if event.seq > seq)

    def is_last(self, seq: int) -> bool:
        """Say whether the event of this number is the last one that there is, as far as known."""
        return self._watched.seq == seq

    async def wait(self) -> None:
        """Wait until something happened since this was last waited for."""
        await self._signal.wait()
        self._signal.clear()

    def signal(self) -> None:
        """Say that something has happened."""
        self._signal.set()


class Watchers:
    """All who wait for runs of one process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watched: dict[str, _Watched] = {}

    @contextmanager
    def watch(self, run_id: str) -> Iterator[Watch]:
        """Wait for a run within the block."""
        watched = self._watched.setdefault(run_id, _Watched())
        watch = Watch(watched)
        watched.watches.append(watch)
        try:
            yield watch
        finally:
            watched.watches.remove(watch)
            if not watched.watches:
                del self._watched[run_id]

    def tell(self, run_id: str) -> None:
        """Tell those who wait for a run that something has happened."""
        watched = self._watched.get(run_id)
        for watch in watched.watches if watched else ():
            watch.signal()

    def hand(self, run_id: str, events: Sequence[Event]) -> None:
        """Hand the events that were written to those who wait for a run."""
        watched = self._watched.get(run_id)
        if watched is None or not events:
            return
        if watched.latest and events[0].seq != watched.latest[-1].seq + 1:
            watched.latest.clear()  # another process wrote in between
        watched.latest.extend(events)
        watched.seq = events[-1].seq
        self.tell(run_id)

    async def look(self, here: Container[str]) -> None:
        """Look for what happened to the runs that are not carried `here`.

        Raises:
            StoreError: the database can't be read.
        """
        elsewhere = [run_id for run_id in self._watched if run_id not in here]
        if not elsewhere:
            return
        news = await self._store.call(self._store.events.news, elsewhere)
        for run_id in elsewhere:
            watched = self._watched.get(run_id)
            seen = news.get(run_id, (-1, True))
            if watched is not None and seen != (watched.seq, watched.ended):
                watched.seq, watched.ended = seen
                self.tell(run_id)
