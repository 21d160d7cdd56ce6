"""The memory budget and its policies."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from callboard.errors import ConfigurationError, InvalidInput
from callboard.router.budget import (
    BanditPolicy,
    CallerPolicy,
    CappedPolicy,
    FixedPolicy,
    LearnedPolicy,
    RandomPolicy,
    load_any_policy,
    tiers_for,
)
from callboard.router.budget.files import LEARNED
from callboard.values import (
    MEMORY_MODULES,
    TIERS,
    MemoryBudget,
    MemoryModule,
    ModuleSpec,
    ModuleState,
    Tier,
)


def state(module: MemoryModule = "filter", budget: MemoryBudget = "auto") -> ModuleState:
    return ModuleState(
        module=ModuleSpec(name=module, description="What it does."), query="q", budget=budget
    )


CALLER = CallerPolicy(FixedPolicy("low"))


def test_a_fixed_policy_ignores_the_budget() -> None:
    assert FixedPolicy("low").choose(state(budget="high")).tier == "low"


def test_a_random_policy_draws_every_tier_and_again_the_same() -> None:
    first, again = RandomPolicy(7), RandomPolicy(7)
    drawn = [first.choose(state()).tier for _ in range(60)]
    assert set(drawn) == set(TIERS)
    assert drawn == [again.choose(state()).tier for _ in range(60)]


@pytest.mark.parametrize("tier", ["low", "mid", "high"])
def test_one_tier_holds_for_every_module(tier: Any) -> None:
    for module in MEMORY_MODULES:
        choice = CALLER.choose(state(module, tier))
        assert choice.tier == tier
        assert tier in choice.reason


def test_a_mapping_holds_for_its_modules_and_leaves_the_others_to_the_policy() -> None:
    budget: MemoryBudget = {"summary": "high"}
    assert CALLER.choose(state("summary", budget)).tier == "high"
    assert CallerPolicy(FixedPolicy("mid")).choose(state("times", budget)).tier == "mid"


@pytest.mark.parametrize("budget", ["auto", "low", "mid", "high", {"filter": "mid"}, {}])
def test_tiers_beforehand_are_those_that_the_caller_fixed(budget: Any) -> None:
    for tier in TIERS:
        policy = CallerPolicy(FixedPolicy(tier))
        chosen = {module: policy.choose(state(module, budget)).tier for module in MEMORY_MODULES}
        assert chosen == {**dict.fromkeys(MEMORY_MODULES, tier), **tiers_for(budget)}


@pytest.mark.parametrize(
    ("budget", "named"),
    [("hgh", "'high'"), ({"sumary": "low"}, "'summary'"), ({"filter": "auto"}, "tier 'auto'")],
)
def test_what_does_not_exist_is_named_with_the_nearest(budget: Any, named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        tiers_for(budget)


# Money --------------------------------------------------------------------------------------


def priced(module: MemoryModule, left: str | None, **usd: str | None) -> ModuleState:
    expected: dict[Tier, Decimal | None] = {
        tier: None if usd[tier] is None else Decimal(usd[tier])  # type: ignore[arg-type]
        for tier in TIERS
    }
    return replace(
        state(module), most_usd=expected, left_usd=None if left is None else Decimal(left)
    )


@pytest.mark.parametrize(
    ("module", "left", "high", "tier"),
    [
        ("summary", None, "9", "high"),
        ("summary", "0.02", "0.02", "high"),
        ("summary", "0.01", "0.02", "mid"),
        ("summary", "0", "0.02", "low"),
        ("filter", "0.09", "0.02", "mid"),
        ("filter", "0.10", "0.02", "high"),
        ("summary", "9", None, "mid"),
        # The three that run side by side are told the same, and together must not spend it all.
        ("entities", "0.08", "0.02", "high"),
        ("times", "0.08", "0.02", "high"),
        ("topics", "0.08", "0.02", "high"),
        ("topics", "0.07", "0.02", "mid"),
    ],
)
def test_the_dearest_tier_that_fits_its_share_is_taken(
    module: MemoryModule, left: str | None, high: str | None, tier: Tier
) -> None:
    capped = CappedPolicy(FixedPolicy("high"))
    choice = capped.choose(priced(module, left, low="0", mid="0.01", high=high))
    assert choice.tier == tier
    assert ("Lowered" in choice.reason) == (tier != "high")


# What was learned ---------------------------------------------------------------------------


def seen(kind: int, module: MemoryModule = "filter") -> ModuleState:
    vector = np.eye(4, dtype=np.float32)[kind]
    return replace(state(module), query_vector=vector, texts_vector=vector)


def test_a_bandit_learns_which_tier_is_worth_it_for_which_query(tmp_path: Path) -> None:
    bandit = BanditPolicy(4, width=0.5)
    best: dict[int, Tier] = {0: "low", 1: "high", 2: "mid"}
    for turn in range(300):
        given = seen(turn % 3)
        tier = bandit.choose(given).tier
        bandit.learn(given, tier, float(tier == best[turn % 3]))
    bandit.width = 0.0
    assert {kind: bandit.choose(seen(kind)).tier for kind in best} == best
    bandit.save(tmp_path / "bandit.safetensors", {"data": "none"})
    again = BanditPolicy.load(tmp_path / "bandit.safetensors")
    assert {kind: again.choose(seen(kind)).tier for kind in best} == best


@pytest.mark.parametrize("content", [None, b"", b"not a policy", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_policy_that_can_not_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "policy.safetensors"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="callboard train budget"):
        LearnedPolicy.load(file)


def test_a_policy_of_another_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bandit.safetensors"
    BanditPolicy(4).save(file, {})
    with pytest.raises(ConfigurationError, match="budget-ppo"):
        LearnedPolicy.load(file)


def test_embeddings_of_another_length_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="length 8"):
        BanditPolicy(8).choose(seen(0))


def test_a_policy_of_another_encoder_is_refused_with_the_fix(tmp_path: Path) -> None:
    file = tmp_path / "bandit.safetensors"
    BanditPolicy(4).save(file, {"encoder": "mine"})
    assert load_any_policy(file, encoder="mine").wants_vectors
    with pytest.raises(ConfigurationError, match=r"'mine'.*'yours'.*callboard train budget"):
        load_any_policy(file, encoder="yours")


def test_the_shipped_policy_says_on_what_it_was_trained() -> None:
    policy = load_any_policy(LEARNED)
    assert isinstance(policy, LearnedPolicy)
    assert policy.card["set"] == "diaries"  # our own: its licence is the project's
    assert policy.card["modules"] == list(MEMORY_MODULES)
    vector = np.zeros(policy.card["dim"], np.float32)
    given = replace(state("summary"), query_vector=vector, texts_vector=vector)
    assert policy.probabilities(given).sum() == pytest.approx(1, abs=1e-5)
