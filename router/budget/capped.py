"""A limit of money over any policy: the dearest tier that can be paid, at most the one chosen."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from ...values import TIERS, MemoryModule, ModuleState, Tier, TierChoice, TierPolicy

_SHARES: Mapping[MemoryModule, int] = {
    "filter": 5,
    "entities": 4,
    "times": 4,
    "topics": 4,
    "summary": 1,
}
"""Modules that share what is left: those that run side by side are told the same `left_usd`."""


class CappedPolicy:
    """A `TierPolicy` that lowers the choice of `inner` until it fits what is left.

    A module may take an equal share of what is left with those that have not begun before it. A
    tier of unknown cost does not fit under a limit.
    """

    def __init__(self, inner: TierPolicy) -> None:
        self._inner = inner

    @property
    def wants_vectors(self) -> bool:
        """Whether the inner policy does."""
        return self._inner.wants_vectors

    def choose(self, state: ModuleState) -> TierChoice:
        """Return the tier."""
        choice = self._inner.choose(state)
        if state.left_usd is None:
            return choice
        share = state.left_usd / _SHARES[state.module.name]
        fitting = (one for one in _down_from(choice.tier) if _fits(state, one, share))
        tier: Tier = next(fitting, "low")
        if tier == choice.tier:
            return choice
        return TierChoice(
            tier=tier,
            reason=f"{choice.reason} Lowered to {tier}: of {_amount(share)} that is there for it, "
            f"{choice.tier} would take {_amount(state.most_usd.get(choice.tier))}.",
        )


def _down_from(tier: Tier) -> tuple[Tier, ...]:
    return tuple(reversed(TIERS[: TIERS.index(tier) + 1]))


def _fits(state: ModuleState, tier: Tier, share_usd: Decimal) -> bool:
    expected = state.most_usd.get(tier)
    return expected is not None and expected <= share_usd


def _amount(usd: Decimal | None) -> str:
    return "an unknown amount" if usd is None else f"${usd:.6f}"
