"""What an expert is: another reading of queries, for one domain, over a frozen base encoder.

Documents are embedded by the base alone, once, whatever experts there are or will be. Source:
RouterRetriever, arXiv 2409.02685, whose experts change the query encoder only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

import numpy as np

from ..encoder import Vectors
from .pilots import Gate

Kind: TypeAlias = Literal["linear", "lora"]
Tensors: TypeAlias = dict[str, Vectors]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well queries that it did not learn from found their documents, as nDCG@10 in 0..1.

    `low` and `high` hold with 95 % what the expert adds to the base.
    """

    queries: int
    base: float
    expert: float
    low: float
    high: float

    @property
    def gain(self) -> float:
        """What the expert adds."""
        return self.expert - self.base


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is known of an expert: what it was made of, when, and how good it is.

    `encoder` is the name of its base; `settings` are those of the training.
    """

    name: str
    kind: Kind
    encoder: str
    dim: int
    data: str
    made_at: datetime
    pairs: int
    synthetic: bool
    score: Score
    settings: dict[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilots:
    """Which queries are for the expert.

    `won` and `lost` are centroids of base embeddings, `(n, dim)` each, of the queries on which the
    expert does best, and on which the base does.
    """

    won: Vectors
    lost: Vectors
    gate: Gate


class Expert(Protocol):
    """Reads queries anew; may be used from any thread."""

    @property
    def card(self) -> Card:
        """What is known of it."""

    @property
    def pilots(self) -> Pilots:
        """Which queries are for it."""

    def adapt(self, texts: Sequence[str], vectors: Vectors) -> Vectors:
        """Return the queries as the expert reads them, `(n, dim)` float32, L2-normalised.

        `vectors` are those of the base. Blocks: microseconds, or milliseconds where a transformer
        reads the texts.
        """

    def tensors(self) -> Tensors:
        """Return what it is made of, without its pilots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearExpert:
    """q' = normalise(q + q A): `change` is A, `(dim, dim)`."""

    card: Card
    pilots: Pilots
    change: Vectors

    def adapt(self, texts: Sequence[str], vectors: Vectors) -> Vectors:
        """Return the queries as the expert reads them, `(n, dim)` float32, L2-normalised."""
        return adapted(vectors, self.change)

    def tensors(self) -> Tensors:
        """Return what it is made of, without its pilots."""
        return {"change": self.change}


def adapted(vectors: Vectors, change: Vectors) -> Vectors:
    """Return `(n, dim)` vectors after a linear change `(dim, dim)`, L2-normalised."""
    moved = vectors + vectors @ change
    found: Vectors = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12)
    return found
