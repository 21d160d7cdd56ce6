"""The library: who finds in whose memory.

A memory is found in on its shelf, indexes in this process; a large one in its stack, which stands
in the database, where there is one that has come nearly as far as the memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from threading import Lock

from ..search.query import QueryVectors
from ..store.chunks import ChunkRow
from ..store.engine import Store
from ..values import Scope
from .embedding import Embedder
from .ranking import Days
from .shelf import Found, Shelf
from .stack import Stack

MOST_MEMORIES = 64
"""Users whose indexes are kept; those not asked for longest are dropped, and built again."""


class Librarian:
    """Finds in the chunks of one tenant and user. Blocking; may be used from any thread."""

    def __init__(self, owner: Scope, store: Store, embedder: Embedder, in_process: int) -> None:
        self._owner = owner
        self._store = store
        self._embedder = embedder
        self._in_process = in_process
        self._lock = Lock()
        self._shelf = Shelf(owner, store, embedder)
        self._stack = Stack(owner, store, store.stacks, embedder) if store.stacks else None
        self._asked: Shelf | Stack = self._shelf

    @property
    def known(self) -> bool:
        """Whether the database was looked at."""
        return self._asked.known

    def has(self, agent: str) -> bool:
        """Return whether anything was for this agent alone when the memory was last searched.

        The first time the database is looked at.
        """
        if not self.known:
            self._choose()
        return self._asked.has(agent)

    def find(
        self,
        scope: Scope,
        query: str,
        vectors: QueryVectors,
        *,
        k: int,
        now: datetime,
        days: Sequence[Days] = (),
    ) -> list[Found]:
        """Return the chunks of the scope that hold now, the most relevant first, at most k.

        What is for one agent alone is found only by a scope that names it. `days` are those that
        the query names.
        """
        return self._choose().find(scope, query, vectors, k=k, now=now, days=days)

    def rows(self, ids: Sequence[str]) -> list[ChunkRow]:
        """Return the chunks in the order of `ids`, without those that are gone or replaced.

        It stands as when the memory was last searched, or later.
        """
        return self._asked.rows(ids)

    def _choose(self) -> Shelf | Stack:
        shelf, stack = self._shelf, self._stack
        small = shelf.known and shelf.sequence <= self._in_process
        large = not small and stack is not None and stack.stands_for(self._in_process)
        with self._lock:
            if stack is None or not large:
                self._asked = self._shelf
            elif self._asked is not stack:
                self._shelf = Shelf(self._owner, self._store, self._embedder)  # it is dropped
                self._asked = stack
            return self._asked


class Library:
    """The librarians of the users who asked last. May be used from any thread."""

    def __init__(
        self, store: Store, embedder: Embedder, *, in_process: int, most: int = MOST_MEMORIES
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._in_process = in_process
        self._most = most
        self._lock = Lock()
        self._librarians: OrderedDict[Scope, Librarian] = OrderedDict()

    def forget(self) -> None:
        """Drop all indexes; they are built again from what the database holds."""
        with self._lock:
            self._librarians.clear()

    def of(self, owner: Scope) -> Librarian:
        """Return who finds in the memory of `owner`, a scope without session and agent."""
        with self._lock:
            one = self._librarians.pop(owner, None)
            one = one or Librarian(owner, self._store, self._embedder, self._in_process)
            self._librarians[owner] = one
            while len(self._librarians) > self._most:
                self._librarians.popitem(last=False)
            return one
