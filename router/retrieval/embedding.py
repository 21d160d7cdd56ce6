"""Embeddings of agents' texts: each text is encoded once ever.

Those of the bundled agents are kept in the cache folder, for every project has the same; all others
in the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...agents.spec import Agent
from ...search.encoder import Encoder, Vectors
from ...search.kept import kept_vectors
from ...store.engine import Store
from ...values import Scope
from .interaction import Document, Interaction
from .texts import AgentTexts

_DOCUMENTS = "documents-2"
"""Stands beside the encoder's name where documents are stored: change it with their form."""


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
        known = (text for agent in bundled for text in AgentTexts.of(agent).all)
        self._bundled = tuple(dict.fromkeys(known))
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

    async def documents(self, texts: Sequence[str], interaction: Interaction) -> list[Document]:
        """Return `texts` as documents that a query is compared with token by token."""
        name = f"{self._encoder.name}/{_DOCUMENTS}"

        async def read(new: Sequence[str]) -> list[bytes]:
            return [interaction.document(one).to_bytes() for one in await self._encoder.aread(new)]

        known = await self._store.vectors.remembered(self._scope, name, texts, read)
        return [Document.from_bytes(known[text]) for text in texts]

    async def _stored(self, texts: Sequence[str]) -> dict[str, Vectors]:
        """Return the vectors that the database remembers, after it was told what it lacks."""
        if not texts:
            return {}

        async def encode(new: Sequence[str]) -> list[bytes]:
            return [row.astype("<f4").tobytes() for row in await self._encoder.aencode(new)]

        vectors = self._store.vectors
        known = await vectors.remembered(self._scope, self._encoder.name, texts, encode)
        return {
            text: np.frombuffer(blob, dtype="<f4").astype(np.float32, copy=False)
            for text, blob in known.items()
        }
