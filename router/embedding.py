"""Embeddings of agents' texts: each text is encoded once ever.

Those of the bundled agents are kept in the cache folder, for every project has the same; all others
in the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..agents.spec import Agent
from ..search.encoder import Encoder
from ..search.kept import kept_vectors
from ..store.engine import Store
from ..values import Scope
from .index import Vectors, texts_of


class RememberedEmbedding:
    """Embeds texts of the agents of one tenant; those of `bundled` agents come from `cache_dir`."""

    def __init__(
        self,
        encoder: Encoder,
        store: Store,
        scope: Scope,
        *,
        bundled: Sequence[Agent],
        cache_dir: Path,
    ) -> None:
        self._encoder = encoder
        self._store = store
        self._scope = scope
        self._bundled = texts_of(bundled)
        self._cache_dir = cache_dir
        self._shipped: dict[str, Vectors] = {}

    async def __call__(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`, (n_texts, dim) float32, normalised."""
        if self._bundled and not self._shipped:
            vectors = await kept_vectors(self._encoder, self._bundled, self._cache_dir)
            self._shipped = dict(zip(self._bundled, vectors, strict=True))
        stored = await self._stored([text for text in texts if text not in self._shipped])
        known = {**self._shipped, **stored}
        return np.stack([known[text] for text in texts])

    async def _stored(self, texts: Sequence[str]) -> dict[str, Vectors]:
        """Return the vectors that the database remembers, after it was told what it lacks."""
        if not texts:
            return {}
        store, name = self._store, self._encoder.name
        known = await store.call(store.vectors.get, self._scope, name, texts)
        missing = list(dict.fromkeys(text for text in texts if text not in known))
        if missing:
            vectors = np.asarray(await self._encoder.aencode(missing), dtype="<f4")
            fresh = {text: row.tobytes() for text, row in zip(missing, vectors, strict=True)}
            await store.call(store.vectors.put, self._scope, name, fresh)
            known = {**known, **fresh}
        return {
            text: np.frombuffer(blob, dtype="<f4").astype(np.float32, copy=False)
            for text, blob in known.items()
        }
