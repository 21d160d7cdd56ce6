"""Late interaction: a query and a description are compared token by token.

Each token of the query looks for its best match among the tokens of the description; the weighted
mean of these is the similarity. Source: ColBERT, arXiv 2004.12832, section 3, over the encoder's
own token vectors; the weights are inverse document frequencies as in arXiv 2104.08663.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...search.encoder import Reading, Vectors

MAX_TOKENS = 128
"""Tokens of a description that are compared; what stands behind them rarely names a wish."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text's token vectors in 8 bits.

    `tokens` is `(n, dim)` int8, `scales` `(n,)` float32: their product is the vectors. `usual` is
    the similarity of everyday queries, on average: hubs are near to everything.
    """

    tokens: NDArray[np.int8]
    scales: Vectors
    usual: float

    def to_bytes(self) -> bytes:
        """Return it as bytes, little-endian."""
        head = struct.pack("<Hf", len(self.scales), self.usual)
        return head + self.scales.astype("<f4").tobytes() + self.tokens.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Document:
        """Return what `to_bytes` made bytes of."""
        n, usual = struct.unpack_from("<Hf", data)
        head = struct.calcsize("<Hf")
        scales = np.frombuffer(data, "<f4", n, head).astype(np.float32)
        tokens = np.frombuffer(data, np.int8, offset=head + 4 * n)
        # Of no tokens the length is not known, and nothing depends on it.
        tokens = tokens.reshape((n, -1) if n else (0, 0))
        return cls(tokens, scales, usual)


class Interaction:
    """Compares queries with documents; `everyday` are queries about anything, as they were read."""

    def __init__(self, everyday: Sequence[Reading]) -> None:
        self._everyday = everyday
        holders = Counter(id_ for one in everyday for id_ in set(one.ids.tolist()))
        self._rare = math.log(1 + len(everyday)) or 1.0  # without any, all tokens weigh the same
        self._weights = {
            id_: math.log(1 + len(everyday) / (1 + count)) for id_, count in holders.items()
        }

    def document(self, reading: Reading) -> Document:
        """Return the document that is compared for a text."""
        tokens = reading.tokens[:MAX_TOKENS]
        scales = np.abs(tokens).max(axis=1, initial=0, keepdims=True) / 127
        scales = np.maximum(scales, np.finfo(np.float32).tiny)
        packed = np.rint(tokens / scales).astype(np.int8)
        document = Document(packed, scales[:, 0].astype(np.float32), 0.0)
        if not self._everyday or not len(tokens):
            return document
        found = [float(self.similarities(one, (document,))[0]) for one in self._everyday]
        return Document(packed, document.scales, float(np.mean(found)))

    def similarities(self, query: Reading, documents: Sequence[Document]) -> Vectors:
        """Return how similar each document is, `(len(documents),)`: 0 is usual, 1 the same text."""
        found = np.zeros(len(documents), np.float32)
        filled = [place for place, one in enumerate(documents) if len(one.scales)]
        if not filled or not len(query.ids):
            return found
        lengths = [len(documents[place].scales) for place in filled]
        starts = np.cumsum([0, *lengths[:-1]])
        tokens = np.concatenate([documents[place].tokens for place in filled])
        scales = np.concatenate([documents[place].scales for place in filled])
        matches = (query.tokens @ tokens.T.astype(np.float32)) * scales
        best = np.maximum.reduceat(matches, starts, axis=1)
        weights = np.array([self._weights.get(id_, self._rare) for id_ in query.ids.tolist()])
        usual = np.array([documents[place].usual for place in filled])
        found[filled] = weights @ best / weights.sum() - usual
        return found
