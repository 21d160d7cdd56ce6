"""Is the trainer of the budget policy right? Measured where the best tiers are known.

Regret is the share of what can be gained over always choosing low that a policy misses: 0 is the
best choice for every query, 1 no better than low. What is gained is the synthetic environment's
`utility`. Policies are trained on some queries and measured on others of the same clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..pipelines.training.bandit import train_bandit
from ..pipelines.training.environment import Choose, choosing
from ..pipelines.training.ppo import Trainer, TrainingSettings
from ..pipelines.training.synthetic import SyntheticEnvironment
from ..router.budget import FixedPolicy, RandomPolicy
from ..values import JSON, MEMORY_MODULES, TIERS, ModuleState, Tier
from .metrics import mean_interval

COST_WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
"""Those of BudgetMem, arXiv 2602.06025, figure 3, and two between."""
CHOSEN = 0.3
"""The cost weight that regret is measured at."""
TRAINED, TESTED, EPOCHS = 384, 128, 40


@dataclass(frozen=True, slots=True)
class _Found:
    regrets: list[float]
    tasks: list[float]
    costs: list[float]
    tiers: list[Tier]


def measure_trainer(
    seeds: Sequence[int], told: Callable[[str], None] = lambda what: None
) -> dict[str, JSON]:
    """Return `{"rows": [...]}`: one row per method, seed-averaged, and per cost weight."""
    rows = list(_policies(seeds, told))
    for aligned in (True, False):
        for weight in COST_WEIGHTS:
            told(f"cost weight {weight}, {'with' if aligned else 'without'} scale alignment")
            environment = SyntheticEnvironment(TRAINED + TESTED, seed=seeds[0])
            found = _play(environment, _trained(environment, weight, seeds[0], aligned=aligned))
            name = f"learned at {weight}" + ("" if aligned else ", not aligned")
            rows.append(_row(name, [found], cost_weight=weight, aligned=aligned))
    return {"rows": rows, "seeds": list(seeds)}


def _policies(seeds: Sequence[int], told: Callable[[str], None]) -> Iterator[dict[str, JSON]]:
    methods: dict[str, Callable[[SyntheticEnvironment, int], Choose]] = {
        **{tier: partial(_fixed, tier) for tier in TIERS},
        "random": lambda env, seed: choosing(RandomPolicy(seed)),
        "bandit": _bandit,
        "learned": lambda env, seed: _trained(env, CHOSEN, seed),
    }
    for name, make in methods.items():
        found = []
        for seed in seeds:
            told(f"{name}, seed {seed}")
            environment = SyntheticEnvironment(TRAINED + TESTED, seed=seed)
            found.append(_play(environment, make(environment, seed)))
        yield _row(name, found)
    yield _row("oracle", [_oracle(SyntheticEnvironment(TRAINED + TESTED, seed=s)) for s in seeds])


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


def _play(environment: SyntheticEnvironment, choose: Choose) -> _Found:
    return _outcome(environment, lambda query: _tiers(environment, query, choose))


def _oracle(environment: SyntheticEnvironment) -> _Found:
    return _outcome(environment, lambda query: environment.best(query).enough)


def _outcome(
    environment: SyntheticEnvironment, chosen: Callable[[int], tuple[Tier, ...]]
) -> _Found:
    found = _Found([], [], [], [])
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


def _fixed(tier: Tier, environment: SyntheticEnvironment, seed: int) -> Choose:
    return choosing(FixedPolicy(tier))


def _row(method: str, found: Sequence[_Found], **more: JSON) -> dict[str, JSON]:
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
