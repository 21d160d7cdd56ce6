"""What is known of an agent, embedded: the form in which the index and the heads take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from ...agents.spec import Agent
from ...search.encoder import Vectors
from .interaction import Document, Interaction
from .texts import AgentTexts


class Embedding(Protocol):
    """Embeds the texts of agents; may remember."""

    async def __call__(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`, (n_texts, dim) float32, normalised."""

    async def documents(self, texts: Sequence[str], interaction: Interaction) -> Sequence[Document]:
        """Return `texts` as documents that a query is compared with token by token."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The vectors of one agent's texts: `(dim,)`, or `(n, dim)` for those in the plural.

    `said` is the direction of all that it says of itself, `taught` that of its examples (zeros
    without any). `tokens` is the document token by token, None on boards too large for that.
    """

    texts: AgentTexts
    name: Vectors
    document: Vectors
    phrases: Vectors
    examples: Vectors
    not_its: Vectors
    said: Vectors
    taught: Vectors
    tokens: Document | None


async def know(
    agents: Sequence[Agent], embedding: Embedding, interaction: Interaction | None
) -> dict[str, Knowledge]:
    """Embed what is known of `agents`; without `interaction` not by token."""
    if not agents:
        return {}
    texts = [AgentTexts.of(agent) for agent in agents]
    vectors = await embedding([text for entry in texts for text in entry.all])
    documents: Sequence[Document | None] = [None] * len(texts)
    if interaction is not None:
        documents = await embedding.documents([entry.document for entry in texts], interaction)
    known: dict[str, Knowledge] = {}
    start = 0
    for agent, entry, tokens in zip(agents, texts, documents, strict=True):
        ends = np.cumsum([start, 2, len(entry.phrases), len(entry.examples), len(entry.not_its)])
        head, own, examples, not_its = (vectors[low:high] for low, high in pairwise(ends))
        start = int(ends[-1])
        known[agent.name] = Knowledge(
            texts=entry,
            name=head[0],
            document=head[1],
            phrases=own,
            examples=examples,
            not_its=not_its,
            said=direction(np.stack([head[1], direction(own)])),
            taught=direction(examples),
            tokens=tokens,
        )
    return known


def direction(vectors: Vectors) -> Vectors:
    """Return the sum of vectors `(n, dim)` at length 1; zeros where there are none."""
    total: Vectors = vectors.sum(axis=0)
    return (total / max(float(np.linalg.norm(total)), 1e-9)).astype(np.float32)
