"""The experts that serve one collection, and the choice among them, query by query.

The base is always a candidate. Nothing is trained when an expert comes or goes: each brings its
own pilots and gate. Source: RouterRetriever, arXiv 2409.02685, section 3.3: the expert whose pilots
are nearest on the mean; its released code takes the nearest pilot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from ..encoder import Vectors
from .expert import Expert

Method: TypeAlias = Literal["gate", "nearest", "mean"]
BASE = "base"
"""How the base is called among the candidates; no expert may be called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertChoice:
    """Which expert reads a query (None: the base alone), and what spoke for each candidate.

    `scores` are probabilities in 0..1 where a gate chose, and cosines where pilots did.
    """

    expert: str | None = None
    reason: str
    scores: Mapping[str, float] = field(default_factory=dict)


class Roster:
    """Chooses among experts; may be used from any thread. Another set of experts is another one."""

    def __init__(self, experts: Sequence[Expert], method: Method = "gate") -> None:
        self._experts = {one.card.name: one for one in experts}
        self._method: Method = method

    def __len__(self) -> int:
        return len(self._experts)

    @property
    def names(self) -> tuple[str, ...]:
        """The experts, in the order in which they came."""
        return tuple(self._experts)

    def choose(self, vector: Vectors) -> ExpertChoice:
        """Choose for a query by its base embedding `(dim,)`."""
        scores = self._by_gate(vector) if self._method == "gate" else self._by_pilots(vector)
        best = max(scores, key=scores.__getitem__)
        told = ", ".join(f"{name} {score:.2f}" for name, score in _ranked(scores)[:3])
        by = {
            "gate": "the most probable",
            "mean": "the nearest pilots on the mean",
            "nearest": "the nearest pilot",
        }
        return ExpertChoice(
            expert=None if best == BASE else best,
            reason=f"{best} by {by[self._method]}: {told}.",
            scores={name: round(score, 4) for name, score in scores.items()},
        )

    def named(self, name: str) -> ExpertChoice | None:
        """Return the choice of an expert that somebody names; None: it is not here."""
        if name not in self._experts:
            return None
        return ExpertChoice(expert=name, reason=f"{name} is the agent's own.", scores={})

    def read(self, choice: ExpertChoice, text: str, vector: Vectors) -> Vectors:
        """Return the query's vector `(dim,)` as the chosen one reads it.

        An expert that is gone by now is done without.
        """
        expert = self._experts.get(choice.expert or "")
        if expert is None:
            return vector
        read: Vectors = expert.adapt([text], vector[None])[0]
        return read

    def _by_gate(self, vector: Vectors) -> dict[str, float]:
        scores = {BASE: 0.5}
        for name, expert in self._experts.items():
            scores[name] = expert.pilots.gate.probability(vector)
        return scores

    def _by_pilots(self, vector: Vectors) -> dict[str, float]:
        of_base = [one.pilots.lost for one in self._experts.values()]
        pilots = {name: [one.pilots.won] for name, one in self._experts.items()} | {BASE: of_base}
        over = np.max if self._method == "nearest" else np.mean
        found = {
            name: float(over(near))
            for name, some in pilots.items()
            if len(near := np.concatenate([one @ vector for one in some] or [np.empty(0)]))
        }
        return found or {BASE: 1.0}


def _ranked(scores: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(scores.items(), key=lambda one: -one[1])
