"""Gathers texts that are to be encoded at the same time, and encodes them off the event loop.

One worker thread encodes. While it is idle, what was asked for within one tick of the event loop
becomes one batch and starts at once; while it works, what comes in waits together. Many texts are
cut into pieces of a fraction of a second, and small requests go first, so that a query
does not wait until a whole archive is encoded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

Row = TypeVar("Row")

BATCH_TEXTS = 32
"""Texts in one batch at most."""

_BATCH_CHARS = 4096
"""Characters in one batch at most (about 1,000 tokens), unless a single text has more."""

_READ_CHARS = 1024
"""Characters of a text that are encoded, about: an encoder reads the first tokens alone."""


@dataclass(slots=True, eq=False)
class _Request(Generic[Row]):
    texts: Sequence[str]
    result: Future[Sequence[Row]] = field(default_factory=Future)

    @property
    def size(self) -> int:
        return sum(_size(text) for text in self.texts)


class Batcher(Generic[Row]):
    """Awaitable encoding over a blocking `encode`, for callers on any event loop.

    `encode` returns one row for every text.
    """

    def __init__(self, encode: Callable[[Sequence[str]], Sequence[Row]]) -> None:
        self._encode = encode
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="callboard-encoder")
        self._lock = Lock()
        self._waiting: list[_Request[Row]] = []
        self._working = False

    async def encode(self, texts: Sequence[str]) -> list[Row]:
        """Return what the blocking `encode` returns, in the order of `texts`."""
        pieces = _pieces(texts)
        if len(pieces) <= 1:
            return list(await self._ask(texts))
        rows: dict[int, Row] = {}
        for piece in pieces:
            # One after the other: other callers' texts get in between.
            rows |= zip(piece, await self._ask([texts[i] for i in piece]), strict=True)
        return [rows[i] for i in range(len(texts))]

    async def _ask(self, texts: Sequence[str]) -> Sequence[Row]:
        request: _Request[Row] = _Request(texts)
        with self._lock:
            self._waiting.append(request)
        # After all tasks that are ready in this tick have asked too.
        asyncio.get_running_loop().call_soon(self._start)
        return await asyncio.wrap_future(request.result)

    def _start(self) -> None:
        with self._lock:
            batch = [] if self._working else self._take()
            self._working = self._working or bool(batch)
        if batch:
            texts = [text for request in batch for text in request.texts]
            work = self._worker.submit(self._encode, texts)
            work.add_done_callback(lambda done: self._deliver(batch, done))

    def _take(self) -> list[_Request[Row]]:
        """Take one batch of the smallest requests that nobody has given up."""
        batch: list[_Request[Row]] = []
        texts = chars = 0
        self._waiting.sort(key=lambda request: request.size)
        while self._waiting:
            first = self._waiting[0]
            texts, chars = texts + len(first.texts), chars + first.size
            if batch and (texts > BATCH_TEXTS or chars > _BATCH_CHARS):
                break
            del self._waiting[0]
            if first.result.set_running_or_notify_cancel():
                batch.append(first)
        return batch

    def _deliver(self, batch: Sequence[_Request[Row]], done: Future[Sequence[Row]]) -> None:
        error = done.exception()
        begin = 0
        for request in batch:
            if error is not None:
                request.result.set_exception(error)
                continue
            end = begin + len(request.texts)
            request.result.set_result(done.result()[begin:end])
            begin = end
        with self._lock:
            self._working = False
        self._start()


def _pieces(texts: Sequence[str]) -> list[list[int]]:
    """Return the indices of `texts` by length, cut into pieces of one batch each."""
    pieces: list[list[int]] = []
    chars = 0
    for i in sorted(range(len(texts)), key=lambda i: len(texts[i])):
        chars += _size(texts[i])
        if not pieces or len(pieces[-1]) == BATCH_TEXTS or chars > _BATCH_CHARS:
            pieces.append([])
            chars = _size(texts[i])
        pieces[-1].append(i)
    return pieces


def _size(text: str) -> int:
    return min(len(text), _READ_CHARS)
