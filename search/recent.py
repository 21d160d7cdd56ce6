"""An encoder that remembers the last texts: a query is encoded once and used by every room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from .encoder import Encoder, Reading, Vectors

Value = TypeVar("Value")

REMEMBERED = 512
"""Texts; 0.8 MB at 384 dimensions."""
READ = 64
"""Texts whose tokens are remembered; 1.5 MB of queries, 25 MB of the longest texts."""


class RecentEncoder:
    """Passes on to `encoder` what it has not just encoded. `aencode` is for one event loop."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: OrderedDict[str, Vectors] = OrderedDict()
        self._read: OrderedDict[str, Reading] = OrderedDict()

    @property
    def name(self) -> str:
        """The identity of the weights."""
        return self._encoder.name

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return self._encoder.dim

    def forget(self) -> None:
        """Forget the last texts."""
        self._known.clear()
        self._read.clear()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return `(len(texts), dim)` float32; nothing is remembered."""
        return self._encoder.encode(texts)

    async def aencode(self, texts: Sequence[str]) -> Vectors:
        """Return `(len(texts), dim)` float32, from memory where it can."""
        if len(texts) > REMEMBERED:
            return await self._encoder.aencode(texts)
        missing = list(dict.fromkeys(text for text in texts if text not in self._known))
        known = dict(self._known)
        if missing:
            known |= zip(missing, await self._encoder.aencode(missing), strict=True)
        rows = [known[text] for text in texts]
        _keep(self._known, zip(texts, rows, strict=True), REMEMBERED)
        return np.stack(rows) if rows else np.zeros((0, self.dim), np.float32)

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Return what was read of every text; nothing is remembered."""
        return self._encoder.read(texts)

    async def aread(self, texts: Sequence[str]) -> list[Reading]:
        """Return what was read of every text, from memory where it can."""
        if len(texts) > READ:
            return await self._encoder.aread(texts)
        missing = list(dict.fromkeys(text for text in texts if text not in self._read))
        known = dict(self._read)
        if missing:
            known |= zip(missing, await self._encoder.aread(missing), strict=True)
        found = [known[text] for text in texts]
        _keep(self._read, zip(texts, found, strict=True), READ)
        vectors = ((text, one.vector) for text, one in zip(texts, found, strict=True))
        _keep(self._known, vectors, REMEMBERED)
        return found

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the whole text has."""
        return self._encoder.count_tokens(text)

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of every text."""
        return self._encoder.count_many(texts)


def _keep(known: OrderedDict[str, Value], new: Iterable[tuple[str, Value]], most: int) -> None:
    for text, value in new:
        known[text] = value
        known.move_to_end(text)
    while len(known) > most:
        known.popitem(last=False)
