from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from callboard.errors import ConfigurationError
from callboard.pipelines.training.bandit import train_bandit
from callboard.pipelines.training.checkpoint import load_checkpoint, save_checkpoint
from callboard.pipelines.training.course import (
    BANDIT,
    CURVE,
    FRONTIER,
    POLICY,
    Course,
    outcome,
    train_bandit_policy,
    train_policies,
)
from callboard.pipelines.training.environment import Choose, Played
from callboard.pipelines.training.ppo import Trainer, TrainingSettings
from callboard.pipelines.training.rewards import CostNormaliser, ScaleAlignment
from callboard.pipelines.training.synthetic import COSTS_USD, SyntheticEnvironment
from callboard.router.budget import load_any_policy
from callboard.values import MEMORY_MODULES, TIERS, ModuleState, Tier

PNG = b"\x89PNG"
SHORT = TrainingSettings(cost_weight=0.3, epochs=2, batch=16)


@pytest.fixture(autouse=True)
def one_torch_thread() -> Iterator[None]:
    """The network is small: threads would wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def environment() -> SyntheticEnvironment:
    return SyntheticEnvironment(n=48, dim=8)


def trainer(environment: SyntheticEnvironment, settings: TrainingSettings = SHORT) -> Trainer:
    return Trainer(environment, environment.descriptions, settings)


def regret(environment: SyntheticEnvironment, choose: Choose) -> float:
    missed, there = 0.0, 0.0
    for query in range(len(environment)):
        tiers: dict[str, Tier] = {}

        def note(state: ModuleState, tiers: dict[str, Tier] = tiers) -> Tier:
            return tiers.setdefault(state.module.name, choose(state))

        environment.play(query, note)
        best = environment.utility(query, environment.best(query).enough)
        missed += best - environment.utility(query, tuple(tiers[m] for m in MEMORY_MODULES))
        there += best - environment.utility(query, ("low",) * len(MEMORY_MODULES))
    return missed / there


# Rewards -----------------------------------------------------------------------------------------


def test_the_cheapest_costs_have_the_greatest_reward_and_the_rest_lie_between() -> None:
    rewards = CostNormaliser()([0.0, 0.0001, 0.0004, 0.01])
    assert rewards[0] == 1
    assert rewards[3] == 0
    assert np.all(np.diff(rewards) < 0)


def test_square_roots_are_compared_as_costs_are_spread_wide() -> None:
    normaliser = CostNormaliser()
    normaliser([0.0] * 50 + [1.0] * 50)
    (half,) = normaliser([0.25])
    assert half == pytest.approx(0.5)


@pytest.mark.parametrize("cost", [0.0, 0.002])
def test_costs_that_are_all_the_same_reward_none_over_another(cost: float) -> None:
    assert len(set(CostNormaliser()([cost] * 8).tolist())) == 1


def test_only_the_last_costs_count() -> None:
    normaliser = CostNormaliser(window=10)
    normaliser([100.0] * 10)
    assert normaliser([0.0] * 9 + [1.0]).tolist() == [1.0] * 9 + [0.0]


def test_alignment_gives_both_rewards_the_same_spread() -> None:
    task, cost = np.array([0.50, 0.52, 0.54]), np.array([0.0, 0.5, 1.0])
    aligned = ScaleAlignment()(task, cost, 0.0)
    assert np.std(aligned) == pytest.approx(np.std(cost))
    plain = ScaleAlignment(aligned=False)(task, cost, 2.0)
    assert plain == pytest.approx(task + 2 * cost)


# The synthetic queries -------------------------------------------------------------------------


def test_no_choice_is_worth_more_than_the_best(environment: SyntheticEnvironment) -> None:
    draw = np.random.default_rng(0)
    for query in range(len(environment)):
        best = environment.utility(query, environment.best(query).enough)
        for _ in range(30):
            tiers = tuple(TIERS[n] for n in draw.integers(0, 3, len(MEMORY_MODULES)))
            assert environment.utility(query, tiers) <= best + 1e-12


def test_a_choice_costs_what_its_tiers_do(environment: SyntheticEnvironment) -> None:
    played = environment.play(0, lambda state: "high")
    assert played.cost_usd == pytest.approx(len(MEMORY_MODULES) * COSTS_USD["high"])


# Training --------------------------------------------------------------------------------------


def test_training_comes_nearer_to_what_is_best() -> None:
    environment = SyntheticEnvironment(n=192, dim=16)
    learner = trainer(environment, TrainingSettings(cost_weight=0.3, epochs=12))
    before = regret(environment, learner.tier)
    learner.train()
    assert regret(environment, learner.tier) < min(0.5, before / 2)


def test_the_same_seed_trains_the_same_policy_and_another_one_another(
    environment: SyntheticEnvironment,
) -> None:
    first, second = trainer(environment), trainer(environment)
    other = trainer(environment, replace(SHORT, seed=1))
    for one in (first, second, other):
        one.train()
    weights = [one.tensors()["actor.2.weight"] for one in (first, second, other)]
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_the_policy_that_is_stored_chooses_as_the_trained_network(
    environment: SyntheticEnvironment, tmp_path: Path
) -> None:
    course = course_in(tmp_path, environment)
    train_policies(course, SHORT, (0.3,), lambda what: None)
    policy = load_any_policy(tmp_path / POLICY)
    learner = trainer(environment)
    learner.train()
    for query in range(8):
        for mine, stored in zip(*asked(environment, query, learner, policy), strict=True):
            assert mine == stored


def asked(
    environment: SyntheticEnvironment, query: int, learner: Trainer, policy: object
) -> tuple[list[Tier], list[Tier]]:
    mine: list[Tier] = []
    stored: list[Tier] = []

    def choose(state: ModuleState) -> Tier:
        mine.append(learner.tier(state))
        stored.append(policy.choose(state).tier)  # type: ignore[attr-defined]
        return "low"

    environment.play(query, choose)
    return mine, stored


class Forgetful:
    """Half of the queries have no memory; of the others only the filter finds something."""

    encoder = "synthetic"

    def __init__(self, inner: SyntheticEnvironment) -> None:
        self._inner, self.dim = inner, inner.dim

    def __len__(self) -> int:
        return len(self._inner)

    def play(self, query: int, choose: Choose) -> Played:
        def first(state: ModuleState) -> Tier:
            return choose(state) if state.module.name == "filter" else "low"

        if query % 2:
            return Played(reward=0.0, cost_usd=0.0)
        return self._inner.play(query, first)


def test_modules_that_did_not_run_are_not_learned_from(environment: SyntheticEnvironment) -> None:
    learner = Trainer(Forgetful(environment), environment.descriptions, SHORT)
    learner.train()
    assert learner.history
    assert all(sum(one.shares) == pytest.approx(1) for one in learner.history)


# Checkpoints -------------------------------------------------------------------------------------


def test_a_training_that_is_resumed_gives_the_same_policy(
    environment: SyntheticEnvironment, tmp_path: Path
) -> None:
    whole = trainer(environment, replace(SHORT, epochs=3))
    whole.train()
    broken = trainer(environment, replace(SHORT, epochs=3))
    broken.train_epoch()
    save_checkpoint(tmp_path, broken)
    resumed = trainer(environment, replace(SHORT, epochs=3))
    assert load_checkpoint(tmp_path, resumed)
    resumed.train()
    assert resumed.history == whole.history
    for name, one in whole.tensors().items():
        assert np.array_equal(one, resumed.tensors()[name]), name


def test_only_the_last_checkpoint_is_kept(
    environment: SyntheticEnvironment, tmp_path: Path
) -> None:
    learner = trainer(environment)
    for _ in range(2):
        learner.train_epoch()
        save_checkpoint(tmp_path, learner)
    assert {file.name for file in tmp_path.iterdir()} == {
        "checkpoint.json",
        "epoch-2.safetensors",
    }


def test_without_a_checkpoint_a_training_begins_at_the_start(
    environment: SyntheticEnvironment, tmp_path: Path
) -> None:
    assert not load_checkpoint(tmp_path, trainer(environment))


def test_a_checkpoint_of_other_settings_is_refused(
    environment: SyntheticEnvironment, tmp_path: Path
) -> None:
    learner = trainer(environment)
    learner.train_epoch()
    save_checkpoint(tmp_path, learner)
    other = trainer(environment, replace(SHORT, cost_weight=0.9))
    with pytest.raises(ConfigurationError, match="cost_weight"):
        load_checkpoint(tmp_path, other)


def test_a_damaged_checkpoint_is_refused(environment: SyntheticEnvironment, tmp_path: Path) -> None:
    learner = trainer(environment)
    learner.train_epoch()
    save_checkpoint(tmp_path, learner)
    (tmp_path / "epoch-1.safetensors").write_bytes(b"nothing")
    with pytest.raises(ConfigurationError, match="damaged"):
        load_checkpoint(tmp_path, trainer(environment))


# Files -------------------------------------------------------------------------------------------


def course_in(folder: Path, environment: SyntheticEnvironment, *, resume: bool = False) -> Course:
    return Course(
        environment=environment,
        descriptions=environment.descriptions,
        folder=folder,
        card={"set": "synthetic"},
        resume=resume,
    )


def test_a_course_writes_policy_card_and_pictures(
    environment: SyntheticEnvironment, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    told: list[str] = []
    points = train_policies(course_in(tmp_path, environment), SHORT, (0.1, 0.3), told.append)
    assert set(points) == {"learned at 0.1", "learned at 0.3", *TIERS, "random"}
    assert (tmp_path / FRONTIER).read_bytes().startswith(PNG)
    for weight in (0.1, 0.3):
        folder = tmp_path / f"cost-weight-{weight}"
        assert (folder / CURVE).read_bytes().startswith(PNG)
        card = load_any_policy(folder / POLICY).card  # type: ignore[union-attr]
        assert card["cost_weight"] == weight
        assert card["set"] == "synthetic"
        assert card["queries"] == len(environment)
    assert any("epoch 2 of 2" in line for line in told)


def test_a_course_goes_on_where_it_was_broken_off(
    environment: SyntheticEnvironment, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    train_policies(course_in(tmp_path, environment), SHORT, (0.3,), lambda what: None)
    told: list[str] = []
    more = replace(SHORT, epochs=3)
    train_policies(course_in(tmp_path, environment, resume=True), more, (0.3,), told.append)
    epochs = [line for line in told if "epoch" in line]
    assert epochs
    assert all("epoch 3 of 3" in line for line in epochs)
    assert json.loads((tmp_path / "checkpoint.json").read_text())["epoch"] == 3


def test_a_bandit_is_trained_and_stored(environment: SyntheticEnvironment, tmp_path: Path) -> None:
    found = train_bandit_policy(course_in(tmp_path, environment), SHORT, lambda what: None)
    policy = load_any_policy(tmp_path / BANDIT)
    again = outcome(environment, lambda state: policy.choose(state).tier)
    assert again == pytest.approx(found) or again == found


def test_a_bandit_learns_what_pays() -> None:
    environment = SyntheticEnvironment(n=192, dim=16)
    policy = train_bandit(environment, TrainingSettings(cost_weight=0.3, epochs=6))
    assert regret(environment, lambda state: policy.choose(state).tier) < 1
