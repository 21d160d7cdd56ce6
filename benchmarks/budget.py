"""Is the trainer of the budget policy right? Measured where the best tiers are known.

Regret is the share of what can be gained over always choosing low that a policy misses: 0 is the
best choice for every query, 1 no better than low. What is gained is the synthetic environment's
`utility`. Policies are trained on some queries and measured on others of the same clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never, get_args

import numpy as np

from ..codec import from_json, to_json
from ..pipelines.fanning import HERE, Place, Work, fan_out
from ..pipelines.training.bandit import train_bandit
from ..pipelines.training.environment import Choose, choosing
from ..pipelines.training.ppo import Trainer, TrainingSettings
from ..pipelines.training.synthetic import SyntheticEnvironment
from ..router.budget import FixedPolicy, RandomPolicy
from ..values import JSON, MEMORY_MODULES, TIERS, ModuleState, Tier
from .metrics import mean_interval

Method: TypeAlias = Literal["low", "mid", "high", "random", "bandit", "learned", "oracle"]
METHODS: tuple[Method, ...] = get_args(Method)
COST_WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
"""Those of BudgetMem, arXiv 2602.06025, figure 3, and two between."""
CHOSEN = 0.3
"""The cost weight that regret is measured at."""
TRAINED, TESTED, EPOCHS = 384, 128, 40


@dataclass(frozen=True, slots=True)
class Found:
    """What one policy did on the test queries, one entry each; of `tiers` one for each module."""

    regrets: list[float]
    tasks: list[float]
    costs: list[float]
    tiers: list[Tier]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A policy that is made and measured; nothing but this decides what comes of it."""

    method: Method
    seed: int
    weight: float = CHOSEN
    aligned: bool = True


class Trials:
    """Makes and measures policies, in any process. A `fanning.Worker`."""

    def __init__(self, settings: JSON = None) -> None:
        import torch

        torch.set_num_threads(1)  # the network is small: threads would wait for each other

    def __call__(self, item: JSON) -> JSON:
        """Return what a trial, as JSON, found."""
        return to_json(_found(from_json(Trial, item)))

    def close(self) -> None:
        """Nothing is held."""


def measure_trainer(
    seeds: Sequence[int],
    told: Callable[[str], None] = lambda what: None,
    place: Place = HERE,
) -> dict[str, JSON]:
    """Return `{"rows": [...]}`: one row per method, seed-averaged, and per cost weight."""
    methods = [[Trial(method=one, seed=seed) for seed in seeds] for one in METHODS]
    weights = [
        [Trial(method="learned", seed=seeds[0], weight=weight, aligned=aligned)]
        for aligned in (True, False)
        for weight in COST_WEIGHTS
    ]
    trials = [trial for row in (*methods, *weights) for trial in row]
    found: dict[Trial, Found] = {}
    told(f"0 of {len(trials)}")
    items = [to_json(trial) for trial in trials]
    for number, one in fan_out(Work(make=Trials), items, place):
        found[trials[number]] = from_json(Found, one)
        told(f"{len(found)} of {len(trials)}")
    rows = [_row(row[0].method, [found[trial] for trial in row]) for row in methods]
    for (trial,) in weights:
        name = f"learned at {trial.weight}" + ("" if trial.aligned else ", not aligned")
        rows.append(_row(name, [found[trial]], cost_weight=trial.weight, aligned=trial.aligned))
    return {"rows": rows, "seeds": list(seeds)}


def _found(trial: Trial) -> Found:
    environment = SyntheticEnvironment(TRAINED + TESTED, seed=trial.seed)
    match trial.method:
        case "oracle":
            return _outcome(environment, lambda query: environment.best(query).enough)
        case "random":
            return _play(environment, choosing(RandomPolicy(trial.seed)))
        case "bandit":
            return _play(environment, _bandit(environment, trial.seed))
        case "learned":
            trained = _trained(environment, trial.weight, trial.seed, aligned=trial.aligned)
            return _play(environment, trained)
        case "low" | "mid" | "high" as tier:
            return _play(environment, choosing(FixedPolicy(tier)))
        case _:
            assert_never(trial.method)


def _trained(
    environment: SyntheticEnvironment, weight: float, seed: int, *, aligned: bool = True
) -> Choose:
    settings = TrainingSettings(cost_weight=weight, epochs=EPOCHS, seed=seed, aligned=aligned)
    trainer = Trainer(_Part(environment), environment.descriptions, settings)
    trainer.train()
    return trainer.tier


def _bandit(environment: SyntheticEnvironment, seed: int) -> Choose:
    settings = TrainingSettings(cost_weight=CHOSEN, epochs=EPOCHS, seed=seed)
    return choosing(train_bandit(_Part(environment), settings))


class _Part:
    """The queries that a policy is trained on."""

    def __init__(self, environment: SyntheticEnvironment) -> None:
        self.encoder, self.dim, self.play = environment.encoder, environment.dim, environment.play

    def __len__(self) -> int:
        return TRAINED


def _play(environment: SyntheticEnvironment, choose: Choose) -> Found:
    return _outcome(environment, lambda query: _tiers(environment, query, choose))


def _outcome(environment: SyntheticEnvironment, chosen: Callable[[int], tuple[Tier, ...]]) -> Found:
    found = Found([], [], [], [])
    low: tuple[Tier, ...] = tuple("low" for _ in MEMORY_MODULES)
    missed, there = [], []
    for query in range(TRAINED, TRAINED + TESTED):
        tiers = chosen(query)
        best = environment.utility(query, environment.best(query).enough)
        missed.append(best - environment.utility(query, tiers))
        there.append(best - environment.utility(query, low))
        played = environment.outcome(query, tiers)
        found.tasks.append(played.reward)
        found.costs.append(played.cost_usd)
        found.tiers.extend(tiers)
    found.regrets.extend((np.array(missed) / np.mean(there)).tolist())
    return found


def _tiers(environment: SyntheticEnvironment, query: int, choose: Choose) -> tuple[Tier, ...]:
    chosen: list[tuple[ModuleState, Tier]] = []
    environment.play(query, lambda state: _noted(chosen, state, choose(state)))
    return tuple(tier for _, tier in chosen)


def _noted(chosen: list[tuple[ModuleState, Tier]], state: ModuleState, tier: Tier) -> Tier:
    chosen.append((state, tier))
    return tier


def _row(method: str, found: Sequence[Found], **more: JSON) -> dict[str, JSON]:
    regrets = [one for part in found for one in part.regrets]
    tiers = [one for part in found for one in part.tiers]
    low, high = mean_interval(regrets) or (0.0, 0.0)
    return {
        "method": method,
        **more,
        "regret": round(100 * float(np.mean(regrets)), 1),
        "regret_interval": [round(100 * low, 1), round(100 * high, 1)],
        "task_reward": round(float(np.mean([one for part in found for one in part.tasks])), 4),
        "cost_usd": round(float(np.mean([one for part in found for one in part.costs])), 6),
        **{f"{tier}_share": round(100 * tiers.count(tier) / len(tiers), 1) for tier in TIERS},
        "queries": len(regrets),
    }
