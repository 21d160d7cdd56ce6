"""Queries of which the best tiers are known: what a trainer must find, to be right.

Queries lie in clusters of the embedding space. For each cluster a module has a tier that is enough,
and an importance: what the task loses if less is chosen. More than enough gains nothing and costs
more. Differences in the task's reward are small beside those of cost, as they are with a judge's
or F1 score of a single query: that is what scale alignment is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...values import MEMORY_MODULES, TIERS, ModuleSpec, ModuleState, Tier
from .environment import Choose, Played

COSTS_USD: dict[Tier, float] = {"low": 0.0, "mid": 0.0002, "high": 0.0012}
"""Of one module. About 1,300 tokens at the prices of models of 8 and 70 billion parameters."""

_CLUSTERS, _NOISE, _BASE, _AT_STAKE = 6, 0.15, 0.5, 0.1


@dataclass(frozen=True, slots=True)
class Best:
    """What is right for a query: the tier that is enough for each module, and what it is worth."""

    enough: tuple[Tier, ...]
    worth: tuple[float, ...]


class SyntheticEnvironment:
    """`n` queries in `dim` dimensions, drawn from a seed."""

    encoder = "synthetic"

    def __init__(self, n: int = 512, dim: int = 32, seed: int = 0) -> None:
        draw = np.random.default_rng(seed)
        centres = _normalised(draw.standard_normal((_CLUSTERS, dim)))
        self.dim = dim
        self._cluster = draw.integers(0, _CLUSTERS, n)
        noise = draw.standard_normal((n, dim)) * _NOISE
        self._queries = _normalised(centres[self._cluster] + noise)
        modules = len(MEMORY_MODULES)
        self._enough = draw.integers(0, len(TIERS), (_CLUSTERS, modules))
        worth = draw.uniform(0.2, 1.0, (_CLUSTERS, modules))
        self._worth = _AT_STAKE * worth / worth.sum(axis=1, keepdims=True)
        self._texts = _normalised(draw.standard_normal((modules, dim)))
        self.descriptions = _normalised(draw.standard_normal((modules, dim)))

    def __len__(self) -> int:
        return len(self._queries)

    def best(self, query: int) -> Best:
        """Return what is right for a query."""
        cluster = self._cluster[query]
        return Best(
            enough=tuple(TIERS[place] for place in self._enough[cluster]),
            worth=tuple(self._worth[cluster].tolist()),
        )

    def play(self, query: int, choose: Choose) -> Played:
        """Choose for each module, and tell what came of it."""
        tiers = tuple(choose(self._state(query, number)) for number in range(len(MEMORY_MODULES)))
        return self.outcome(query, tiers)

    def outcome(self, query: int, tiers: tuple[Tier, ...]) -> Played:
        """Return what comes of tiers, in the order of the modules."""
        best = self.best(query)
        lost = sum(
            worth
            for tier, enough, worth in zip(tiers, best.enough, best.worth, strict=True)
            if TIERS.index(tier) < TIERS.index(enough)
        )
        return Played(reward=_BASE + _AT_STAKE - lost, cost_usd=sum(COSTS_USD[t] for t in tiers))

    def utility(self, query: int, tiers: tuple[Tier, ...]) -> float:
        """Return what tiers are worth: the task's reward, less a little for needless cost.

        The dearest choice of all costs as much as the least important module is worth, so that the
        best choice is what is enough for each module, and no more.
        """
        played = self.outcome(query, tiers)
        dearest = COSTS_USD["high"] * len(MEMORY_MODULES)
        return played.reward - min(self.best(query).worth) * played.cost_usd / dearest

    def _state(self, query: int, module: int) -> ModuleState:
        return ModuleState(
            module=ModuleSpec(name=MEMORY_MODULES[module], description=""),
            query="",
            query_vector=self._queries[query].tolist(),
            texts_vector=_normalised(self._queries[query] + self._texts[module]).tolist(),
        )


def _normalised(rows: NDArray[Any]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / lengths, np.float32)
