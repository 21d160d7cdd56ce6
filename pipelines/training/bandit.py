"""Training of the contextual bandit, with the same reward as the learned policy."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from ...router.budget import BanditPolicy
from ...values import ModuleState, Tier
from .environment import Environment
from .ppo import TrainingSettings
from .rewards import CostNormaliser, ScaleAlignment

WIDTH = 0.3
"""How much is tried out while it learns. Chosen on the synthetic queries, of 0.1, 0.3 and 1."""


def train_bandit(
    environment: Environment,
    settings: TrainingSettings,
    told: Callable[[int], None] = lambda epoch: None,
) -> BanditPolicy:
    """Return a bandit that has seen every query `epochs` times; each module is rewarded alike."""
    policy = BanditPolicy(environment.dim, width=WIDTH)
    normaliser, alignment = CostNormaliser(), ScaleAlignment(aligned=settings.aligned)
    order = list(range(len(environment)))
    shuffled = random.Random(settings.seed)
    for epoch in range(settings.epochs):
        shuffled.shuffle(order)
        for query in order:
            chosen: list[tuple[ModuleState, Tier]] = []

            def choose(state: ModuleState, chosen: list[tuple[ModuleState, Tier]] = chosen) -> Tier:
                tier = policy.choose(state).tier
                chosen.append((state, tier))
                return tier

            played = environment.play(query, choose)
            cost = normaliser([played.cost_usd])
            reward = alignment(np.array([played.reward]), cost, settings.cost_weight)
            for state, tier in chosen:
                policy.learn(state, tier, float(reward[0]))
        told(epoch)
    policy.width = 0.0
    return policy
