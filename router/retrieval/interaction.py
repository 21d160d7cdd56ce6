"""How alike a query and a description are, token by token.

The weighted mean of the best matches of the query's tokens is the similarity; the weights are
inverse document frequencies as in arXiv 2104.08663.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...search.encoder import Reading, Vectors
from ...search.interaction import TokenVectors, best_matches

MAX_TOKENS = 128
"""Tokens of a description that are compared; what stands behind them rarely names a wish."""

_USUAL = "<f"


@dataclass(frozen=True, slots=True)
class Document:
    """A text by its tokens.

    `usual` is the similarity of everyday queries, on average: hubs are near to everything.
    """

    tokens: TokenVectors
    usual: float

    def to_bytes(self) -> bytes:
        """Return it as bytes, little-endian."""
        return struct.pack(_USUAL, self.usual) + self.tokens.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Document:
        """Return what `to_bytes` made bytes of."""
        (usual,) = struct.unpack_from(_USUAL, data)
        return cls(TokenVectors.from_bytes(data[struct.calcsize(_USUAL) :]), usual)


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
        document = Document(TokenVectors.packed(reading.tokens[:MAX_TOKENS]), 0.0)
        if not self._everyday or not len(document.tokens):
            return document
        found = [float(self.similarities(one, (document,))[0]) for one in self._everyday]
        return Document(document.tokens, float(np.mean(found)))

    def similarities(self, query: Reading, documents: Sequence[Document]) -> Vectors:
        """Return how similar each document is, `(len(documents),)`: 0 is usual, 1 the same text."""
        found: Vectors = self.all_similarities((query,), documents)[0]
        return found

    def all_similarities(
        self, queries: Sequence[Reading], documents: Sequence[Document]
    ) -> Vectors:
        """Return the same for several queries, `(len(queries), len(documents))`."""
        found = np.zeros((len(queries), len(documents)), np.float32)
        filled = [place for place, one in enumerate(documents) if len(one.tokens)]
        tokens = np.concatenate([one.tokens for one in queries])
        if not filled or not len(tokens):
            return found
        best = best_matches(tokens, [documents[place].tokens for place in filled])
        usual = np.array([documents[place].usual for place in filled])
        start = 0
        for row, one in zip(found, queries, strict=True):
            weights = np.array([self._weights.get(id_, self._rare) for id_ in one.ids.tolist()])
            end = start + len(weights)
            if len(weights):
                row[filled] = weights @ best[start:end] / weights.sum() - usual
            start = end
        return found
