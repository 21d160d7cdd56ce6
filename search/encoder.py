"""What an encoder is.

An encoder makes vectors of texts. Two encoders of one `name` make the same vectors, so that what is
stored with the name beside it may be used again; another name means: encode again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32]
"""One vector `(dim,)` or many `(n, dim)`, float32."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as an encoder read it: as a whole, and token by token.

    `vector` is `(dim,)`; `tokens` is `(n_tokens, dim)`, both L2-normalised; `ids` are the tokens'
    numbers in the vocabulary, `(n_tokens,)`. The marks at both ends are left out.
    """

    vector: Vectors
    tokens: Vectors
    ids: NDArray[np.int64]


class Encoder(Protocol):
    """Makes vectors of texts; may be used from any thread."""

    @property
    def name(self) -> str:
        """The identity of the weights: a name and the start of their hash."""

    @property
    def dim(self) -> int:
        """The length of a vector."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return `(len(texts), dim)` float32, L2-normalised. Blocks: see `aencode`."""

    async def aencode(self, texts: Sequence[str]) -> Vectors:
        """Return the same in a worker thread, together with what others ask for just now."""

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Return what was read of every text. Blocks: see `aread`."""

    async def aread(self, texts: Sequence[str]) -> list[Reading]:
        """Return the same in a worker thread, together with what others ask for just now."""

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the whole text has, without the marks at its ends."""

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of every text."""
