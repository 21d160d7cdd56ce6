"""How near queries are to the single texts of agents: to examples, phrases, and what is not theirs.

All texts of all agents are compared with all queries in one product; what is made of the cosines of
a few texts is quicker without arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...search.encoder import Vectors
from .knowledge import Knowledge

_NEAREST = 3
"""Examples whose mean counts: one may be a slip, all would hide that an agent has several uses."""


@dataclass(frozen=True, slots=True)
class Closeness:
    """How near a query is to the texts of an agent.

    `cosine` is that with the nearest of its examples and phrases, which is the `place`-th of them;
    `nearest` the mean over the examples that are nearest in `centred` vectors, 0 without any;
    `foreign` by how much the query is nearer to what the agent does not do, -1 if it does not say.
    """

    cosine: float
    place: int
    nearest: float
    foreign: float


def closeness(
    known: Sequence[Knowledge], vectors: Vectors, centred: Vectors
) -> list[list[Closeness]]:
    """Return for each of `(n, dim)` queries how near it is to each of the agents.

    `centred` `(n, dim)` are the queries in the light of the conversation, without what is usual.
    """
    texts = np.concatenate(
        [part for one in known for part in (one.examples, one.phrases, one.not_its)]
    )
    cosines = (np.concatenate([vectors, centred]) @ texts.T).tolist()
    both = zip(cosines[: len(vectors)], cosines[len(vectors) :], strict=True)
    return [list(_closeness(known, alone, meant)) for alone, meant in both]


def _closeness(
    known: Sequence[Knowledge], alone: Sequence[float], meant: Sequence[float]
) -> Iterator[Closeness]:
    start = 0
    for one in known:
        examples = start + len(one.examples)
        own = examples + len(one.phrases)
        end = own + len(one.not_its)
        cosine = max(alone[start:own])
        few = sorted(meant[start:examples])[-_NEAREST:]
        yield Closeness(
            cosine=cosine,
            place=alone.index(cosine, start) - start,
            nearest=sum(few) / len(few) if few else 0.0,
            foreign=max(alone[own:end]) - cosine if end > own else -1.0,
        )
        start = end
