"""What is known of the chunks of a memory beside their words and vectors, as columns of numbers."""

from __future__ import annotations

import math
import re
from array import array
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..store.chunks import ChunkRow
from ..values import Scope
from .chunks import USER
from .ranking import Floats, Layout, Numbers

N = TypeVar("N", int, float)

_WORD = re.compile(r"\w+")
_DAY_S = 86_400


class Columns:
    """One row of numbers per slot of the lexical index; slots are used again."""

    def __init__(self) -> None:
        self._sessions: dict[str, int] = {}
        self._writers: dict[str, int] = {}
        self._agents: dict[str | None, int] = {None: 0}
        self._session: array[int] = array("q")
        self._sequence: array[int] = array("q")
        self._day: array[int] = array("q")
        self._writer: array[int] = array("q")
        self._agent: array[int] = array("q")
        self._length: array[float] = array("d")
        self._asks: array[float] = array("d")
        self._trust: array[float] = array("d")

    def put(self, slot: int, row: ChunkRow) -> None:
        """Note a chunk at its slot."""
        session = thread(row)
        _set(self._agent, slot, self._agents.setdefault(row.agent, len(self._agents)))
        _set(self._session, slot, self._sessions.setdefault(session, len(self._sessions)))
        _set(self._sequence, slot, row.sequence)
        _set(self._day, slot, day_number(row.created_at.timestamp()))
        _set(self._writer, slot, self._writers.setdefault(row.writer, len(self._writers)))
        _set(self._length, slot, length(row))
        _set(self._asks, slot, float(asks(row)))
        _set(self._trust, slot, row.trust)

    def layout(self, used: Numbers) -> tuple[Numbers, Layout]:
        """Return the slots `used` in the order of sessions and of saying, and how they lie."""
        session = np.frombuffer(self._session, np.int64)[used]
        order = np.lexsort((np.frombuffer(self._sequence, np.int64)[used], session))
        slots, session = used[order], session[order]
        begins = np.flatnonzero(np.diff(session, prepend=-1))
        session = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(slots)))
        layout = Layout(
            starts=begins,
            session=session,
            stretch=session,
            length=np.frombuffer(self._length, np.float64)[slots],
            asks=np.frombuffer(self._asks, np.float64)[slots],
            trust=np.frombuffer(self._trust, np.float64)[slots],
            days=np.frombuffer(self._day, np.int64)[slots],
        )
        return slots, layout

    def has(self, agent: str) -> bool:
        """Return whether a chunk was ever for this agent alone."""
        return agent in self._agents

    def meant(self, scope: Scope, slots: Numbers) -> NDArray[np.bool_]:
        """Return for each slot whether it is for the scope's agent, and of its session if any.

        What is for one agent alone is not meant by a scope without an agent.
        """
        wanted = self._agents.get(scope.agent, -1)
        meant: NDArray[np.bool_] = np.frombuffer(self._agent, np.int64)[slots] == wanted
        if scope.session is not None:
            session = self._sessions.get(scope.session, -1)
            meant &= np.frombuffer(self._session, np.int64)[slots] == session
        return meant

    def named(self, query: str, slots: Numbers) -> Floats:
        """Return for each slot 1 if the query names its writer, 0 if others, 0.5 if nobody."""
        asked = frozenset(name_words(query))
        named = np.array([not asked.isdisjoint(names_of(one)) for one in self._writers], np.float64)
        if not named.any():
            return np.full(len(slots), 0.5)
        found: Floats = named[np.frombuffer(self._writer, np.int64)[slots]]
        return found


def _set(column: array[N], slot: int, value: N) -> None:
    if slot == len(column):
        column.append(value)
    else:
        column[slot] = value


def thread(row: ChunkRow) -> str:
    """Return what names the chunks that a chunk stands among: its session, or else its run."""
    return row.session if row.session is not None else f"run {row.run_id}"


def length(row: ChunkRow) -> float:
    """Return the logarithm of a chunk's tokens."""
    return math.log(max(row.tokens, 1))


def asks(row: ChunkRow) -> bool:
    """Return whether a chunk holds a question mark."""
    return "?" in row.text


def day_number(timestamp: float) -> int:
    """Return the day of an instant, in days since 1970 in UTC."""
    return int(timestamp // _DAY_S)


def name_words(text: str) -> list[str]:
    """Return the words of a text in which names are looked for."""
    return _WORD.findall(text.casefold())


def names_of(writer: str) -> list[str]:
    """Return the words by which a writer is named; a user is not."""
    return [] if writer == USER else name_words(writer)
