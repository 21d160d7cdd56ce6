"""What users said of agents, for queries that are like the present one.

Source: RoMA's similarity-weighted success of the nearest earlier queries (arXiv 2510.25577), with
a prior, one voice per user and a bound, so that a few votes cannot capture an agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ...search.encoder import Vectors
from ...store.feedback import Vote

SIMILAR = 0.6
"""The cosine of two queries from which what was said of one says something of the other."""
BOUND = 6.0
"""The most that votes change a relevance: enough to lift a near miss, not a stranger."""
_PRIOR = 2.0
"""Voices that would have to agree for half of the bound."""


@dataclass(frozen=True, slots=True)
class Lean:
    """What votes say of an agent for a query: `change` of its relevance, by how many users.

    Not for which queries they were given: those are other users' words.
    """

    change: float
    users: int


@dataclass(frozen=True, slots=True)
class _Counted:
    vote: Vote
    vector: Vectors


class Votes:
    """The votes that stand, by what they were given for."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str], _Counted] = {}
        self._vectors: Vectors | None = None

    def __len__(self) -> int:
        return len(self._counted)

    def take(self, votes: Sequence[Vote], vectors: Iterable[Vectors]) -> None:
        """Count votes, with the vectors of their queries; those that were undone no longer."""
        for vote, vector in zip(votes, vectors, strict=True):
            key = (vote.feedback_id, vote.agent)
            if vote.undone_at is None:
                self._counted[key] = _Counted(vote, vector)
            else:
                self._counted.pop(key, None)
        self._vectors = None

    def leans(self, vector: Vectors) -> dict[str, Lean]:
        """Return what is said of agents for queries like this `(dim,)`."""
        if not self._counted:
            return {}
        if self._vectors is None:
            self._vectors = np.stack([one.vector for one in self._counted.values()])
        cosines = self._vectors @ vector
        counted = list(self._counted.values())
        said: dict[str, dict[str, list[tuple[float, Vote]]]] = {}
        for place in np.flatnonzero(cosines > SIMILAR):
            vote = counted[place].vote
            weight = (float(cosines[place]) - SIMILAR) / (1 - SIMILAR)
            said.setdefault(vote.agent, {}).setdefault(vote.user, []).append((weight, vote))
        return {agent: _lean(users) for agent, users in said.items()}


def _lean(users: dict[str, list[tuple[float, Vote]]]) -> Lean:
    total = voices = 0.0
    for votes in users.values():
        weight = sum(weight for weight, _ in votes)
        voice = max(weight for weight, _ in votes)
        voices += voice
        total += voice * sum(weight * vote.score for weight, vote in votes) / weight
    return Lean(BOUND * total / (voices + _PRIOR), len(users))
