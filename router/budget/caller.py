"""What the caller asked for, and a policy for what the caller leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...errors import InvalidInput, nearest
from ...values import (
    MEMORY_MODULES,
    TIERS,
    MemoryBudget,
    MemoryModule,
    ModuleState,
    Tier,
    TierChoice,
    TierPolicy,
)


class CallerPolicy:
    """A `TierPolicy` that does what the caller asked for; what is left open chooses `inner`."""

    def __init__(self, inner: TierPolicy) -> None:
        self._inner = inner

    @property
    def wants_vectors(self) -> bool:
        """Whether the inner policy does."""
        return self._inner.wants_vectors

    def choose(self, state: ModuleState) -> TierChoice:
        """Return the tier that `state.budget` gives the module, or that the inner policy does."""
        tier = asked_tier(state.budget, state.module.name)
        if tier is None:
            return self._inner.choose(state)
        if isinstance(state.budget, Mapping):
            return TierChoice(
                tier=tier, reason=f"The caller asked for {tier} for {state.module.name}."
            )
        return TierChoice(tier=tier, reason=f"The caller asked for {tier} memory.")


def asked_tier(budget: MemoryBudget, module: MemoryModule) -> Tier | None:
    """Return the tier that a budget gives a module; None: it leaves it open."""
    if isinstance(budget, Mapping):
        return budget.get(module)
    return None if budget == "auto" else budget


def tiers_for(budget: MemoryBudget) -> Mapping[MemoryModule, Tier]:
    """Return the tiers that the caller fixed, for a decision without a run.

    What is left open depends on what the modules find: only the run tells.

    Raises:
        InvalidInput: `budget` names a tier or a module that does not exist.
    """
    if isinstance(budget, Mapping):
        for name, tier in budget.items():
            _check("memory module", name, MEMORY_MODULES)
            _check("tier", tier, TIERS)
    else:
        _check("memory budget", budget, ("auto", *TIERS))
    asked = {module: asked_tier(budget, module) for module in MEMORY_MODULES}
    return {module: tier for module, tier in asked.items() if tier is not None}


def _check(kind: str, name: str, known: Iterable[str]) -> None:
    names = tuple(known)
    if name not in names:
        hint = nearest(str(name), names)
        raise InvalidInput(f"There is no {kind} {name!r}{hint} Use one of: {', '.join(names)}.")
