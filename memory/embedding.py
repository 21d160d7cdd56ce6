"""Embeds what was stored: storing is acknowledged at once, the encoder follows.

Until a chunk is embedded it is found by its words. Whoever finds chunks without vectors may embed
them, in any process; the work is the same, and what is known is not done again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..search.encoder import Encoder, Reading, Vectors
from ..store.chunks import ChunkRow, Embedded
from ..store.engine import Store
from ..values import Scope
from .chunks import dated
from .tokens import Tokens


class Embedder:
    """Makes the vectors of chunks and stores them. May be used from any thread."""

    def __init__(self, store: Store, encoder: Encoder) -> None:
        self._store = store
        self._encoder = encoder
        self.tokens = Tokens(encoder)

    @property
    def encoder(self) -> str:
        """The name of the encoder that makes the vectors."""
        return self._encoder.name

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return self._encoder.dim

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of every text."""
        return self._encoder.count_many(texts)

    def vector(self, row: ChunkRow) -> Vectors | None:
        """Return a row's vector, (dim,) float32; None if this encoder made none yet."""
        if row.vector is None or row.encoder != self._encoder.name:
            return None
        return _vector(row.vector)

    def vectors(self, owner: Scope, ids: Sequence[str]) -> dict[str, Vectors]:
        """Return the vectors that are stored by now, by id."""
        blobs = self._store.chunks.vectors(owner, self._encoder.name, ids)
        return {id_: _vector(blob) for id_, blob in blobs.items()}

    def embed(self, owner: Scope, rows: Sequence[ChunkRow]) -> dict[str, Vectors]:
        """Embed chunks, store what was made, and return the vectors by id. Blocks."""
        return self._keep(owner, rows, self._encoder.read([indexed(row) for row in rows]))

    async def embed_next(self, owner: Scope, *, limit: int) -> bool:
        """Embed the first chunks that nobody has embedded; return whether there may be more."""
        rows = await self._store.call(self._store.chunks.unembedded, owner, limit=limit)
        if rows:
            readings = await self._encoder.aread([indexed(row) for row in rows])
            await self._store.call(self._keep, owner, rows, readings)
        return len(rows) == limit

    async def read(self, query: str) -> Reading:
        """Return the query as the encoder reads it."""
        (reading,) = await self._encoder.aread([query])
        return reading

    async def mean(self, texts: Sequence[str]) -> Vectors:
        """Return the mean of the vectors of texts, (dim,) float32."""
        vectors = await self._encoder.aencode(texts)
        return np.asarray(vectors.mean(axis=0), np.float32)

    def mean_of_stored(self, owners: Sequence[Scope], ids: Sequence[str]) -> Vectors:
        """Return the mean of the stored vectors of chunks, (dim,) float32; zeros of none."""
        vectors = [one for owner in owners for one in self.vectors(owner, ids).values()]
        if not vectors:
            return np.zeros(self.dim, np.float32)
        return np.asarray(np.mean(vectors, axis=0), np.float32)

    def similarities(
        self, owners: Sequence[Scope], query: Reading, ids: Sequence[str]
    ) -> dict[str, float]:
        """Return how alike the query and chunks are token by token, by id; not of all, perhaps."""
        packed: dict[str, bytes] = {}
        for owner in owners:
            packed |= self._store.chunks.tokens(owner, self._encoder.name, ids)
        found = self.tokens.similarities(query, tuple(packed.values()))
        return dict(zip(packed, found.tolist(), strict=True))

    def _keep(
        self, owner: Scope, rows: Sequence[ChunkRow], readings: Sequence[Reading]
    ) -> dict[str, Vectors]:
        made = [
            Embedded(
                id=row.id,
                encoder=self._encoder.name,
                vector=reading.vector.astype("<f4").tobytes(),
                tokens=self.tokens.pack(reading),
            )
            for row, reading in zip(rows, readings, strict=True)
        ]
        self._store.chunks.embed(owner, made)
        return {row.id: one.vector for row, one in zip(rows, readings, strict=True)}


def _vector(blob: bytes) -> Vectors:
    return np.frombuffer(blob, dtype="<f4").astype(np.float32)


def indexed(row: ChunkRow) -> str:
    """Return the text by which a chunk is found: its date and what was said."""
    return dated(row.text, row.created_at)
