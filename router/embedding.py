"""Embeddings of agents' texts, remembered in the database: each text is encoded once ever."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..search.encoder import Encoder
from ..store.engine import Store
from ..values import Scope
from .index import Vectors


class RememberedEmbedding:
    """Embeds texts through the store's cache; use one per tenant."""

    def __init__(self, encoder: Encoder, store: Store, scope: Scope) -> None:
        self._encoder = encoder
        self._store = store
        self._scope = scope

    async def __call__(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`, (n_texts, dim) float32, normalised."""
        store, name = self._store, self._encoder.name
        known = await store.call(store.vectors.get, self._scope, name, texts)
        missing = list(dict.fromkeys(text for text in texts if text not in known))
        if missing:
            vectors = np.asarray(await self._encoder.aencode(missing), dtype="<f4")
            fresh = {text: row.tobytes() for text, row in zip(missing, vectors, strict=True)}
            await store.call(store.vectors.put, self._scope, name, fresh)
            known = {**known, **fresh}
        rows = [np.frombuffer(known[text], dtype="<f4") for text in texts]
        return np.stack(rows).astype(np.float32, copy=False)
