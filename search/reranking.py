"""Reranking: the best candidates of a search, put in a better order by a cross-encoder.

It is a step of the run. One that fails leaves the order as the search made it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import CallboardError, StoreError
from ..models.journal import Journal
from .reranker import Reranker

_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a search found; `id` is unique among the candidates, `score` the search's."""

    id: str
    text: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A candidate where the reranker puts it: the search's score, and the reranker's (a logit)."""

    id: str
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reranking:
    """Says in which order the first `best` candidates of a search should stand."""

    reranker: Reranker
    best: int

    async def places(
        self, query: str, candidates: Sequence[Candidate], journal: Journal
    ) -> Mapping[str, int]:
        """Return where the candidates stand now, 0 first, by id; as a step of `journal`.

        `candidates` are the best first. Those that are not read have no place, and none has where
        the reranker fails.
        """
        read = candidates[: self.best]
        if len(read) < 2:
            return {}

        async def work(_: Journal) -> tuple[Placed, ...]:
            scores = await self.reranker.ascores(query, [one.text for one in read])
            placed = [
                Placed(id=one.id, before=round(one.score, _DIGITS), after=round(after, _DIGITS))
                for one, after in zip(read, scores.tolist(), strict=True)
            ]
            return tuple(sorted(placed, key=lambda one: -one.after))

        try:
            placed = await journal.once("rerank", "rerank", work, returns=tuple[Placed, ...])
        except StoreError:
            raise
        except CallboardError:
            return {}  # the failed step tells why
        return {one.id: place for place, one in enumerate(placed)}
