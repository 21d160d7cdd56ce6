"""How alike a query and chunks are, token by token; what is kept of a chunk for it is small.

Tokens of stop words and of marks between words are left out, which halves what is kept and costs
half a point of recall on LoCoMo. Vectors are folded: one number of 128 is the sum of every 128th
one, which keeps inner products about as well as a random projection of that size, and needs no
numbers of its own. 18 tokens of a turn are 2.4 kB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ..search.encoder import Encoder, Reading, Vectors
from ..search.interaction import TokenVectors, best_matches
from ..search.lexical import rareness
from .modules.words import STOP_WORDS

_FOLDED_DIM = 128
_MARKS = ". , ! ? ; : \" ' ( ) [ ] { } - / … ’ “ ” * & %"
_STOP_WORDS_AT_ONCE = 60


class Tokens:
    """Packs the tokens of chunks, and compares a query with them."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def pack(self, reading: Reading) -> bytes:
        """Return what is kept of a chunk's tokens."""
        kept = self._meant(reading)
        ids = reading.ids[kept].astype("<i4").tobytes()
        return TokenVectors.packed(_folded(reading.tokens[kept])).to_bytes() + ids

    def similarities(self, query: Reading, packed: Sequence[bytes]) -> Vectors:
        """Return how alike each chunk is, `(len(packed),)`: at most 1.

        It is the mean of the best matches of the query's tokens, weighted by how few of these
        chunks hold the token (inverse document frequency as in BM25).
        """
        if not packed:
            return np.zeros(0, np.float32)
        texts = [TokenVectors.from_bytes(blob[: _ids_at(blob)]) for blob in packed]
        kept = self._meant(query)
        asked = query.ids[kept]
        known = set(asked.tolist())
        holders = Counter(id_ for blob in packed for id_ in known.intersection(_ids(blob)))
        weights = np.array([rareness(len(packed), holders[id_]) for id_ in asked.tolist()])
        best = best_matches(_folded(query.tokens[kept]), texts)
        found: Vectors = (weights @ best / max(float(weights.sum()), 1e-9)).astype(np.float32)
        return found

    def _meant(self, reading: Reading) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        kept = ~np.isin(reading.ids, self._common)
        return kept if kept.any() else np.ones(len(reading.ids), np.bool_)

    @cached_property
    def _common(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The ids of tokens that say nothing, in the encoder's vocabulary."""
        stop_words = sorted(STOP_WORDS)
        texts = [
            " ".join(stop_words[start : start + _STOP_WORDS_AT_ONCE])
            for start in range(0, len(stop_words), _STOP_WORDS_AT_ONCE)
        ]
        return np.unique(np.concatenate([one.ids for one in self._encoder.read([*texts, _MARKS])]))


def _folded(tokens: Vectors) -> Vectors:
    """Return `(n, dim)` vectors at `(n, 128)`, normalised; short ones stay as they are."""
    n, dim = tokens.shape
    if dim <= _FOLDED_DIM:
        return tokens
    padded = np.pad(tokens, ((0, 0), (0, -dim % _FOLDED_DIM)))
    folded = padded.reshape(n, padded.shape[1] // _FOLDED_DIM, _FOLDED_DIM).sum(axis=1)
    lengths = np.linalg.norm(folded, axis=1, keepdims=True)
    return np.asarray(folded / np.maximum(lengths, 1e-9), np.float32)


def _ids_at(blob: bytes) -> int:
    return len(blob) - 4 * TokenVectors.count(blob)


def _ids(blob: bytes) -> list[int]:
    numbers: list[int] = np.frombuffer(blob, "<i4", offset=_ids_at(blob)).tolist()
    return numbers
