"""Those who wait for what runs do, in this process or in another.

What this process writes it tells them at once. What others write is looked for: in one query for
all who wait, so that a thousand of them cost no more than one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..store.engine import Store

LOOK_S = 0.25
"""What other processes wrote is looked for this often."""


@dataclass(slots=True)
class _Watched:
    """A run that someone waits for, and what was last seen of it."""

    seq: int = -1
    ended: bool = False
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
