"""The store: one database, its repositories, and the threads that async callers use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import ParamSpec, TypeVar

from ..errors import StoreError
from .agents import AgentRows
from .booking import Booking
from .changes import Changes
from .chunks import Chunks
from .columns import utc_now
from .database import Database
from .events import Events
from .feedback import Feedbacks
from .keys import Keys
from .ledger import Ledger
from .retention import Retention
from .runs import Runs
from .schema import HEAD, ensure_current
from .sessions import Sessions
from .summaries import Summaries
from .users import Users
from .vectors import Vectors

P = ParamSpec("P")
T = TypeVar("T")


class Store:
    """An open database. The repositories are sync and may be used from any thread."""

    def __init__(
        self, database: Database, *, found: str | None, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._found = found
        # One thread on SQLite: it has one writer at a time, and so they queue up in order.
        threads = 1 if database.is_sqlite else 8
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="callboard-store")
        self.agents = AgentRows(database, clock)
        self.runs = Runs(database, clock)
        self.events = Events(database)
        self.summaries = Summaries(database)
        self.sessions = Sessions(database)
        self.feedback = Feedbacks(database, clock)
        self.chunks = Chunks(database)
        self.vectors = Vectors(database)
        self.keys = Keys(database, clock)
        self.changes = Changes(database, clock)
        self.ledger = Ledger(database, clock, self)
        self.retention = Retention(database, clock)
        self.users = Users(database)

    @classmethod
    def open(
        cls, url: str, *, migrate: bool = True, clock: Callable[[], datetime] = utc_now
    ) -> Store:
        """Open the database at `url`, and create or upgrade its tables unless `migrate` is False.

        Raises:
            StoreError: it can't be opened, is damaged, is from a newer version, or is older and
                may not be migrated.
        """
        database = Database(url)
        try:
            found = ensure_current(database, migrate=migrate)
        except BaseException:
            database.close()
            raise
        return cls(database, found=found, clock=clock)

    def upgrade(self) -> tuple[str | None, str]:
        """Bring the tables up to date.

        Returns:
            The revision that was found when the store was opened (None: an empty database), and
            the one that the tables have now.
        """
        ensure_current(self._database, migrate=True)
        return self._found, HEAD

    def forget(self) -> None:
        """Drop what this process remembers of stored values."""
        self._database.forget()

    def compact(self) -> None:
        """Give the space of what was deleted back to the disk; writers wait meanwhile."""
        self._database.compact()

    async def call(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a sync method of a repository in the store's threads and return its result.

        A caller that is cancelled stops waiting; what it asked for is still done.

        Raises:
            StoreError: the store is closed.
        """
        loop = asyncio.get_running_loop()
        try:
            future = loop.run_in_executor(self._threads, partial(fn, *args, **kwargs))
        except RuntimeError as error:
            raise StoreError("The store is closed. Open it again with Store.open().") from error
        return await future

    async def book(self, booking: Booking) -> None:
        """Make a booking in a transaction of its own, as `Books` do."""
        await self.call(self.ledger.book, booking)

    async def note(self, booking: Booking) -> None:
        """Make it at once."""
        await self.book(booking)

    def close(self) -> None:
        """Finish what is going on, then close the database. Closing twice is allowed."""
        self._threads.shutdown(wait=True)
        self._database.close()
