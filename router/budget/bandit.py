"""A contextual bandit: each module learns by itself what a tier is worth for a query.

Source: LinUCB with disjoint models, Li et al., WWW 2010, algorithm 1; one model per module and
tier, over the embeddings of query and texts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...models.learned import save_learned
from ...values import MEMORY_MODULES, TIERS, ModuleState, Tier, TierChoice
from .weights import fitting, load_policy

KIND = "budget-bandit"

Floats = NDArray[np.float64]

_FOLDED_DIM = 64
"""Numbers of an embedding that are looked at: of 384, a model per module and tier took 35 MB."""


class BanditPolicy:
    """A `TierPolicy` that takes the tier of the greatest expected reward.

    `width` is how much is added for what is not known yet (alpha of LinUCB); 0 once it is trained.
    """

    wants_vectors = True

    def __init__(self, dim: int, *, width: float = 0.0) -> None:
        size = 2 * min(dim, _FOLDED_DIM) + 1
        self._dim = dim
        self.width = width
        shape = (len(MEMORY_MODULES), len(TIERS), size)
        # The inverse is kept and updated (Sherman and Morrison), instead of the matrix.
        self._inverse = np.broadcast_to(np.eye(size), (*shape, size)).copy()
        self._total = np.zeros(shape)

    def choose(self, state: ModuleState) -> TierChoice:
        """Return the tier of the greatest upper bound."""
        x, module = self._context(state), MEMORY_MODULES.index(state.module.name)
        worth = [self._bound(module, tier, x) for tier in range(len(TIERS))]
        told = ", ".join(f"{name} {one:.2f}" for name, one in zip(TIERS, worth, strict=True))
        return TierChoice(tier=TIERS[int(np.argmax(worth))], reason=f"Bandit policy: {told}.")

    def learn(self, state: ModuleState, tier: Tier, reward: float) -> None:
        """Take a reward of the query in which this tier was chosen."""
        x = self._context(state)
        place = MEMORY_MODULES.index(state.module.name), TIERS.index(tier)
        inverse = self._inverse[place]
        step = inverse @ x
        inverse -= np.outer(step, step) / (1 + x @ step)
        self._total[place] += reward * x

    def save(self, file: Path, card: dict[str, Any]) -> None:
        """Write what was learned."""
        tensors = {"inverse": self._inverse, "total": self._total}
        save_learned(file, tensors, {**card, "kind": KIND, "dim": self._dim})

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read a policy.

        Raises:
            ConfigurationError: the file is missing, damaged, or holds something else.
        """
        tensors, card = load_policy(file, KIND)
        policy = cls(int(card["dim"]))
        policy._inverse = tensors["inverse"].astype(np.float64)
        policy._total = tensors["total"].astype(np.float64)
        return policy

    def _bound(self, module: int, tier: int, x: Floats) -> float:
        inverse = self._inverse[module, tier]
        expected = float((inverse @ self._total[module, tier]) @ x)
        return expected + self.width * float(np.sqrt(max(x @ inverse @ x, 0.0)))

    def _context(self, state: ModuleState) -> Floats:
        query = fitting(state.query_vector, self._dim, "bandit")
        texts = fitting(state.texts_vector, self._dim, "bandit")
        return np.concatenate((_folded(query), _folded(texts), [1.0]))


def _folded(vector: NDArray[np.float32]) -> Floats:
    """Return a vector at 64 numbers at most: each the sum of every 64th one."""
    padded = np.pad(vector.astype(np.float64), (0, -len(vector) % min(len(vector), _FOLDED_DIM)))
    folded: Floats = padded.reshape(-1, min(len(vector), _FOLDED_DIM)).sum(axis=0)
    return folded
