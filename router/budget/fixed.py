"""Policies that do not look at the query: one tier for all, or any tier by chance."""

from __future__ import annotations

import random

from ...values import TIERS, ModuleState, Tier, TierChoice

DEFAULT_TIER: Tier = "low"


class FixedPolicy:
    """A `TierPolicy` that gives every module the same tier, whatever is asked."""

    wants_vectors = False

    def __init__(self, tier: Tier = DEFAULT_TIER, reason: str | None = None) -> None:
        self._choice = TierChoice(tier=tier, reason=reason or f"Fixed policy: always {tier}.")

    def choose(self, state: ModuleState) -> TierChoice:
        """Return the tier."""
        return self._choice


class RandomPolicy:
    """A `TierPolicy` that draws each tier with the same probability, from a seeded generator."""

    wants_vectors = False

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def choose(self, state: ModuleState) -> TierChoice:
        """Return a tier by chance."""
        return TierChoice(tier=self._random.choice(TIERS), reason="Random policy.")
