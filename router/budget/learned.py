"""The budget router: a network that was trained by reinforcement chooses each tier.

Source: BudgetMem, arXiv 2602.06025, section 3.3. Trained by `pipelines/training`; here it is only
read, in numpy, with the likeliest tier taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigurationError
from ...models.learned import Tensors
from ...values import TIERS, MemoryModule, ModuleState, TierChoice
from .weights import fitting, load_policy

KIND = "budget-ppo"


class LearnedPolicy:
    """A `TierPolicy` by a trained network; `card` says how it was trained, and on what."""

    wants_vectors = True

    def __init__(self, tensors: Tensors, card: dict[str, Any]) -> None:
        self.card = card
        self._tensors = tensors
        self._dim = int(card["dim"])
        self._places = {name: place for place, name in enumerate(card["modules"])}

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read a policy.

        Raises:
            ConfigurationError: the file is missing, damaged, or holds something else.
        """
        tensors, card = load_policy(file, KIND)
        missing = {"state.weight", "description.weight", "descriptions", "actor.2.weight"} - set(
            tensors
        )
        if missing or not {"dim", "modules"} <= set(card):
            raise ConfigurationError(
                f"The policy {str(file)!r} lacks {sorted(missing) or 'a card'}."
            )
        return cls(tensors, card)

    def choose(self, state: ModuleState) -> TierChoice:
        """Return the likeliest tier."""
        shares = self.probabilities(state)
        tier = TIERS[int(shares.argmax())]
        told = ", ".join(f"{name} {share:.2f}" for name, share in zip(TIERS, shares, strict=True))
        return TierChoice(tier=tier, reason=f"Learned policy: {told}.")

    def probabilities(self, state: ModuleState) -> NDArray[np.float32]:
        """Return the probability of each tier, `(3,)`."""
        query = fitting(state.query_vector, self._dim, "learned")
        texts = fitting(state.texts_vector, self._dim, "learned")
        t = self._tensors
        description = t["descriptions"][self._place(state.module.name)]
        hidden = np.concatenate(
            (
                self._layer("state", np.concatenate((query, texts))),
                self._layer("description", description),
            )
        )
        for name in ("shared.0", "shared.2", "actor.0"):
            hidden = np.maximum(self._layer(name, hidden), 0)
        logits = self._layer("actor.2", hidden)
        weights = np.exp(logits - logits.max())
        shares: NDArray[np.float32] = weights / weights.sum()
        return shares

    def _layer(self, name: str, given: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = (
            self._tensors[f"{name}.weight"] @ given + self._tensors[f"{name}.bias"]
        )
        return found

    def _place(self, module: MemoryModule) -> int:
        if module not in self._places:
            raise ConfigurationError(
                f"The learned policy knows no module {module!r}: {', '.join(self._places)}."
            )
        return self._places[module]
