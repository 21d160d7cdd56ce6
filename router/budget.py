"""The memory budget: which tier each memory module of a turn may run at.

A `TierPolicy` is asked before each module, because what a module is worth depends on what the ones
before it found. What depends on nothing found - the caller's word - is known beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import InvalidInput, nearest
from ..values import (
    MEMORY_MODULES,
    TIERS,
    MemoryBudget,
    MemoryModule,
    ModuleState,
    Tier,
    TierChoice,
)

DEFAULT_TIER: Tier = "low"


class FixedPolicy:
    """A `TierPolicy` that gives every module the same tier, whatever is asked."""

    wants_vectors = False

    def __init__(self, tier: Tier = DEFAULT_TIER) -> None:
        self._choice = TierChoice(tier=tier, reason=f"Fixed policy: always {tier}.")

    def choose(self, state: ModuleState) -> TierChoice:
        """Return the tier."""
        return self._choice


class BudgetPolicy:
    """A `TierPolicy` that does what the caller asked for; what is left open is low."""

    wants_vectors = False

    def choose(self, state: ModuleState) -> TierChoice:
        """Return the tier that `state.budget` gives the module."""
        return _choice(state.budget, state.module.name)


def tiers_for(budget: MemoryBudget) -> Mapping[MemoryModule, Tier]:
    """Return the tiers that `BudgetPolicy` will choose, for a decision without a run.

    They do not depend on what the modules find. A module that lacks a tier runs at the nearest
    one below; which did run, the memo says.

    Raises:
        InvalidInput: `budget` names a tier or a module that does not exist.
    """
    if isinstance(budget, Mapping):
        for name, tier in budget.items():
            _check("memory module", name, MEMORY_MODULES)
            _check("tier", tier, TIERS)
    else:
        _check("memory budget", budget, ("auto", *TIERS))
    return {module: _choice(budget, module).tier for module in MEMORY_MODULES}


def _choice(budget: MemoryBudget, module: MemoryModule) -> TierChoice:
    if budget == "auto":
        return TierChoice(
            tier=DEFAULT_TIER, reason=f"Left to the policy: {DEFAULT_TIER}, which asks no model."
        )
    if not isinstance(budget, Mapping):
        return TierChoice(tier=budget, reason=f"The caller asked for {budget} memory.")
    tier = budget.get(module)
    if tier is None:
        return TierChoice(
            tier=DEFAULT_TIER, reason=f"The caller named no tier for {module}: {DEFAULT_TIER}."
        )
    return TierChoice(tier=tier, reason=f"The caller asked for {tier} for {module}.")


def _check(kind: str, name: str, known: Iterable[str]) -> None:
    names = tuple(known)
    if name not in names:
        # The settings' library is slow to import and only needed for a mistake.

        hint = nearest(str(name), names)
        raise InvalidInput(f"There is no {kind} {name!r}{hint} Use one of: {', '.join(names)}.")
