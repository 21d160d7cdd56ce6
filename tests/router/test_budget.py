"""The memory budget and its policies."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.errors import InvalidInput
from callboard.router.budget import BudgetPolicy, FixedPolicy, tiers_for
from callboard.values import (
    MEMORY_MODULES,
    MemoryBudget,
    MemoryModule,
    ModuleSpec,
    ModuleState,
    TierPolicy,
)


def state(module: MemoryModule = "filter", budget: MemoryBudget = "auto") -> ModuleState:
    return ModuleState(
        module=ModuleSpec(name=module, description="What it does."), query="q", budget=budget
    )


def test_both_are_tier_policies() -> None:
    policies: list[TierPolicy] = [FixedPolicy("mid"), BudgetPolicy()]
    assert [policy.choose(state()).tier for policy in policies] == ["mid", "low"]


def test_a_fixed_policy_ignores_the_budget() -> None:
    assert FixedPolicy("low").choose(state(budget="high")).tier == "low"


@pytest.mark.parametrize("tier", ["low", "mid", "high"])
def test_one_tier_holds_for_every_module(tier: Any) -> None:
    for module in MEMORY_MODULES:
        choice = BudgetPolicy().choose(state(module, tier))
        assert choice.tier == tier
        assert tier in choice.reason


def test_a_mapping_holds_for_its_modules_and_the_others_are_low() -> None:
    budget: MemoryBudget = {"summary": "high"}
    assert BudgetPolicy().choose(state("summary", budget)).tier == "high"
    other = BudgetPolicy().choose(state("times", budget))
    assert other.tier == "low"
    assert "no tier for times" in other.reason


def test_auto_is_low_and_says_why() -> None:
    assert BudgetPolicy().choose(state(budget="auto")).reason


@pytest.mark.parametrize("budget", ["auto", "low", "mid", "high", {"filter": "mid"}, {}])
def test_tiers_beforehand_are_those_that_the_policy_chooses(budget: Any) -> None:
    tiers = tiers_for(budget)
    assert tiers == {
        module: BudgetPolicy().choose(state(module, budget)).tier for module in MEMORY_MODULES
    }


@pytest.mark.parametrize(
    ("budget", "named"),
    [("hgh", "'high'"), ({"sumary": "low"}, "'summary'"), ({"filter": "auto"}, "tier 'auto'")],
)
def test_what_does_not_exist_is_named_with_the_nearest(budget: Any, named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        tiers_for(budget)
