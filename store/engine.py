"""The store: one database, its repositories, and the threads that async callers use."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ..errors import StoreError
from .agents import AgentRows
from .booking import Booking
from .changes import Changes
from .chunks import Chunks
from .columns import utc_now
from .database import THREADS, Database
from .events import Events
from .experts import ExpertRows
from .feedback import Feedbacks
from .keys import Keys
from .ledger import Ledger
from .retention import Retention
from .runs import Runs
from .schema import HEAD, add_stacks, ensure_current, has_stacks
from .sessions import Sessions
from .summaries import Summaries
from .users import Users
from .vectors import Vectors

if TYPE_CHECKING:
    from .stacks import Stacks

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE_S = 30.0
"""How long what a lost connection or a lock prevents is tried again, unless a caller says so."""

PAUSE_S = 0.1
LONGEST_PAUSE_S = 1.0
"""Between two tries: random, up to the first at first, and to the second in the end."""


class Store:
    """An open database. The repositories are sync and may be used from any thread."""

    def __init__(
        self,
        database: Database,
        *,
        found: str | None,
        clock: Callable[[], datetime],
        patience_s: float,
    ) -> None:
        self._database = database
        self._found = found
        self._patience_s = patience_s
        self._missed = -math.inf
        # One thread on SQLite: it has one writer at a time, and so they queue up in order.
        threads = 1 if database.is_sqlite else THREADS
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
        self.experts = ExpertRows(database, clock)
        self.ledger = Ledger(database, clock, self)
        self.retention = Retention(database, clock)
        self.users = Users(database)
        self.stacks: Stacks | None = None
        """Where the database can search large memories by itself."""
        if has_stacks(database):
            self._take_stacks()

    @classmethod
    def open(
        cls,
        url: str,
        *,
        migrate: bool = True,
        clock: Callable[[], datetime] = utc_now,
        patience_s: float = PATIENCE_S,
    ) -> Store:
        """Open the database at `url`, and create or upgrade its tables unless `migrate` is False.

        Async callers wait `patience_s` for a database that can't be reached for a while.

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
        return cls(database, found=found, clock=clock, patience_s=patience_s)

    def upgrade(self) -> tuple[str | None, str]:
        """Bring the tables up to date, and add what the server can do by now.

        Returns:
            The revision that was found when the store was opened (None: an empty database), and
            the one that the tables have now.
        """
        ensure_current(self._database, migrate=True)
        if self.stacks is None and add_stacks(self._database):
            self._take_stacks()
        return self._found, HEAD

    def forget(self) -> None:
        """Drop what this process remembers of stored values."""
        self._database.forget()

    def compact(self) -> None:
        """Give the space of what was deleted back to the disk; writers wait meanwhile."""
        self._database.compact()

    def _take_stacks(self) -> None:
        try:
            from .stack_tables import metadata as of_stacks
            from .stacks import Stacks
        except ModuleNotFoundError as error:
            raise StoreError(
                f"The database {self._database.name!r} searches with pgvector, and the package "
                f"{error.name!r} is missing. Install it with: pip install 'callboard[postgres]'"
            ) from error
        self.stacks = Stacks(self._database)
        self.users = Users(self._database, derived=of_stacks.sorted_tables)

    async def call(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a sync method of a repository in the store's threads and return its result.

        A caller that is cancelled stops waiting; what it asked for is still done. What a lost
        connection or a lock prevents is tried again: if it is not known whether it was done, the
        repositories recognize what is there.

        Raises:
            StoreError: the store is closed, or the database was out of reach for too long.
        """
        work = partial(fn, *args, **kwargs)
        try:
            return await self._try(work)
        except StoreError as error:
            if not error.transient:
                raise
        return await self._insist(work)

    @property
    def reached_s(self) -> float:
        """Since how many seconds the database has been in reach, as far as callers noticed."""
        return time.monotonic() - self._missed

    async def _insist(self, work: Callable[[], T]) -> T:
        from tenacity import (
            AsyncRetrying,
            retry_if_exception,
            stop_after_delay,
            wait_random_exponential,
        )

        retrying = AsyncRetrying(
            stop=stop_after_delay(self._patience_s),
            wait=wait_random_exponential(PAUSE_S, LONGEST_PAUSE_S),
            retry=retry_if_exception(lambda e: isinstance(e, StoreError) and e.transient),
            sleep=asyncio.sleep,
            reraise=True,
        )
        return await retrying(self._try, work)

    async def _try(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            future = loop.run_in_executor(self._threads, work)
        except RuntimeError as error:
            raise StoreError("The store is closed. Open it again with Store.open().") from error
        try:
            return await future
        except StoreError as error:
            if error.transient:
                self._missed = time.monotonic()
            raise

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
