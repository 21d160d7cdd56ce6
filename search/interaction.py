"""Late interaction: texts are compared token by token.

Each token of a query looks for its best match among the tokens of a text. Token vectors are kept in
8 bits with a scale for each. Source: ColBERT, arXiv 2004.12832, section 3, over the encoder's own
token vectors.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .encoder import Vectors

_COUNT = "<H"


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """A text's token vectors in 8 bits.

    `tokens` is `(n, dim)` int8, `scales` `(n,)` float32: their product is the vectors.
    """

    tokens: NDArray[np.int8]
    scales: Vectors

    @classmethod
    def packed(cls, vectors: Vectors) -> TokenVectors:
        """Return `(n, dim)` vectors in 8 bits."""
        scales = np.abs(vectors).max(axis=1, initial=0, keepdims=True) / 127
        scales = np.maximum(scales, np.finfo(np.float32).tiny)
        return cls(np.rint(vectors / scales).astype(np.int8), scales[:, 0].astype(np.float32))

    def __len__(self) -> int:
        return len(self.scales)

    def to_bytes(self) -> bytes:
        """Return them as bytes, little-endian."""
        head = struct.pack(_COUNT, len(self))
        return head + self.scales.astype("<f4").tobytes() + self.tokens.tobytes()

    @staticmethod
    def count(data: bytes) -> int:
        """Return how many there are in what `to_bytes` returned."""
        (n,) = struct.unpack_from(_COUNT, data)
        return int(n)

    @classmethod
    def from_bytes(cls, data: bytes) -> TokenVectors:
        """Return what `to_bytes` made bytes of."""
        n = cls.count(data)
        head = struct.calcsize(_COUNT)
        scales = np.frombuffer(data, "<f4", n, head).astype(np.float32)
        tokens = np.frombuffer(data, np.int8, offset=head + 4 * n)
        # Of no tokens the length is not known, and nothing depends on it.
        return cls(tokens.reshape((n, -1) if n else (0, 0)), scales)


def best_matches(query: Vectors, texts: Sequence[TokenVectors]) -> Vectors:
    """Return for each of `(q, dim)` tokens its best match in each text, `(q, len(texts))`.

    A match is the inner product; a text without tokens has none, which is 0.
    """
    best = np.zeros((len(query), len(texts)), np.float32)
    filled = [place for place, one in enumerate(texts) if len(one)]
    if not filled or not len(query):
        return best
    starts = np.cumsum([0, *(len(texts[place]) for place in filled[:-1])])
    tokens = np.concatenate([texts[place].tokens for place in filled])
    scales = np.concatenate([texts[place].scales for place in filled])
    matches = (query @ tokens.T.astype(np.float32)) * scales
    best[:, filled] = np.maximum.reduceat(matches, starts, axis=1)
    return best
