"""A limit of money over any policy: the dearest tier that can be paid, at most the one chosen."""

from __future__ import annotations

from decimal import Decimal

from ...values import MEMORY_MODULES, TIERS, ModuleState, Tier, TierChoice, TierPolicy


class CappedPolicy:
    """A `TierPolicy` that lowers the choice of `inner` until it fits what is left.

    A module may take an equal share of what is left with those still to come: the three that run
    side by side are told the same `left_usd`. A tier of unknown cost does not fit under a limit.
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
        to_come = len(MEMORY_MODULES) - MEMORY_MODULES.index(state.module.name)
        share = state.left_usd / to_come
        fitting = (one for one in _down_from(choice.tier) if _fits(state, one, share))
        tier: Tier = next(fitting, "low")
        if tier == choice.tier:
            return choice
        return TierChoice(
            tier=tier,
            reason=f"{choice.reason} Lowered to {tier}: of {_amount(share)} that is there for it, "
            f"{choice.tier} would take {_amount(state.expected_usd.get(choice.tier))}.",
        )


def _down_from(tier: Tier) -> tuple[Tier, ...]:
    return tuple(reversed(TIERS[: TIERS.index(tier) + 1]))


def _fits(state: ModuleState, tier: Tier, share_usd: Decimal) -> bool:
    expected = state.expected_usd.get(tier)
    return expected is not None and expected <= share_usd


def _amount(usd: Decimal | None) -> str:
    return "an unknown amount" if usd is None else f"${usd:.6f}"
