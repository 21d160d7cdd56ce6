"""Proximal policy optimisation of the budget policy: each query is an episode of one step.

The tiers of all modules are one joint action, so the ratio of probabilities is that of their
product. Source: BudgetMem, arXiv 2602.06025, section 3.4 and its released code; Schulman et al.,
arXiv 1707.06347.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...router.budget import LearnedPolicy
from ...values import MEMORY_MODULES, TIERS, ModuleState, Tier
from .environment import Environment
from .network import BudgetNetwork
from .rewards import CostNormaliser, ScaleAlignment

LEARNING_RATE, EPSILON = 3e-4, 1e-5
CLIP, VALUE_WEIGHT, ENTROPY_WEIGHT, GRADIENT_NORM = 0.2, 0.5, 0.01, 0.5
PASSES, BATCH = 4, 32
_LOG_RATIO = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """How a policy is trained. `cost_weight` is lambda of the paper, 0: cost does not count."""

    cost_weight: float = 0.1
    epochs: int = 7
    batch: int = BATCH
    seed: int = 0
    aligned: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What one batch of queries told: means over its queries; `shares` of the three tiers."""

    epoch: int
    batch: int
    task: float
    cost_usd: float
    reward: float
    entropy: float
    shares: tuple[float, float, float]


@dataclass(slots=True)
class _Episode:
    """One query: by module what was seen before it and what was chosen, and what came of it."""

    seen: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    actions: dict[int, int] = field(default_factory=dict)
    task: float = 0.0
    cost_usd: float = 0.0


class Trainer:
    """Trains one policy in one environment. The same seed gives the same policy.

    `descriptions` are the embeddings of the modules' descriptions, `(5, dim)` float32.
    """

    def __init__(
        self,
        environment: Environment,
        descriptions: NDArray[np.float32],
        settings: TrainingSettings,
    ) -> None:
        self.environment = environment
        self.settings = settings
        self.normaliser = CostNormaliser()
        self.alignment = ScaleAlignment(aligned=settings.aligned)
        self.history: list[Progress] = []
        self.epoch = 0
        self.random = random.Random(settings.seed)
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            self.network = BudgetNetwork(descriptions)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=LEARNING_RATE, eps=EPSILON)
        # It reads the network's own weights, as they are: what is trained is what will be served.
        card = {"dim": descriptions.shape[1], "modules": MEMORY_MODULES}
        self._policy = LearnedPolicy(self.tensors(), card)

    def train(self, told: Callable[[Progress], None] = lambda progress: None) -> None:
        """Go through the queries until `epochs` are done."""
        while self.epoch < self.settings.epochs:
            self.train_epoch(told)

    def train_epoch(self, told: Callable[[Progress], None] = lambda progress: None) -> None:
        """Go through the queries once, in an order by chance."""
        order = list(range(len(self.environment)))
        self.random.shuffle(order)
        for number, start in enumerate(range(0, len(order), self.settings.batch)):
            queries = order[start : start + self.settings.batch]
            played = [self._play(query) for query in queries]
            # Of a query for which nothing was remembered there is nothing to learn.
            episodes = [episode for episode in played if episode.actions]
            if episodes:
                progress = self._improve(episodes, number)
                self.history.append(progress)
                told(progress)
        self.epoch += 1

    def tier(self, state: ModuleState) -> Tier:
        """Return the likeliest tier, as the trained policy will."""
        return self._policy.choose(state).tier

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights of the actor, by the names under which they are stored."""
        weights = self.network.state_dict()
        return {name: one.numpy() for name, one in weights.items() if "critic" not in name}

    def _play(self, query: int) -> _Episode:
        episode = _Episode()

        def choose(state: ModuleState) -> Tier:
            module = MEMORY_MODULES.index(state.module.name)
            ends = np.cumsum(self._policy.probabilities(state))
            # A draw of its own for each module: some run side by side, in any order.
            draw = np.random.default_rng((self.settings.seed, self.epoch, query, module)).random()
            action = min(int(np.searchsorted(ends, draw * ends[-1], "right")), len(TIERS) - 1)
            episode.seen[module], episode.actions[module] = _seen(state), action
            return TIERS[action]

        played = self.environment.play(query, choose)
        episode.task, episode.cost_usd = played.reward, played.cost_usd
        return episode

    def _improve(self, episodes: Sequence[_Episode], number: int) -> Progress:
        tasks = np.array([one.task for one in episodes])
        costs = [one.cost_usd for one in episodes]
        rewards = self.alignment(tasks, self.normaliser(costs), self.settings.cost_weight)
        states, actions, asked = _tensors(episodes)
        modules = torch.arange(len(MEMORY_MODULES)).expand(len(episodes), -1)
        returns = torch.from_numpy(rewards).float()
        with torch.no_grad():
            logs, old_values = self.network(states, modules)
            old = _joint(logs, actions, asked)
            advantages = returns - old_values
            if len(episodes) > 1:
                advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        entropy = 0.0
        for _ in range(PASSES):
            logs, values = self.network(states, modules)
            ratio = (_joint(logs, actions, asked) - old).clamp(-_LOG_RATIO, _LOG_RATIO).exp()
            clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
            gain = torch.minimum(ratio * advantages, clipped * advantages).mean()
            near = old_values + (values - old_values).clamp(-CLIP, CLIP)
            error = torch.maximum((values - returns) ** 2, (near - returns) ** 2).mean()
            spread = -(logs.exp() * logs).sum(-1)[asked].mean()
            loss = -gain + VALUE_WEIGHT * 0.5 * error - ENTROPY_WEIGHT * spread
            self.optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
            self.optimiser.step()
            entropy = float(spread.detach())
        counts = torch.bincount(actions[asked], minlength=len(TIERS)) / asked.sum()
        low, mid, high = counts.tolist()
        return Progress(
            epoch=self.epoch,
            batch=number,
            task=float(tasks.mean()),
            cost_usd=float(np.mean(costs)),
            reward=float(rewards.mean()),
            entropy=entropy,
            shares=(low, mid, high),
        )


def _tensors(episodes: Sequence[_Episode]) -> tuple[Tensor, Tensor, Tensor]:
    """Return states, actions, and which modules were asked at all, `(batch, n_modules, ...)`."""
    (width,) = {len(seen) for one in episodes for seen in one.seen.values()}
    shape = (len(episodes), len(MEMORY_MODULES))
    states = np.zeros((*shape, width), np.float32)
    actions, asked = np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
    for row, episode in enumerate(episodes):
        for module, action in episode.actions.items():
            states[row, module] = episode.seen[module]
            actions[row, module], asked[row, module] = action, True
    return torch.from_numpy(states), torch.from_numpy(actions), torch.from_numpy(asked)


def _joint(logs: Tensor, actions: Tensor, asked: Tensor) -> Tensor:
    """Return the log-probability of all tiers of a query together, `(batch,)`."""
    chosen: Tensor = logs.gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    return (chosen * asked).sum(-1)


def _seen(state: ModuleState) -> NDArray[np.float32]:
    both = (state.query_vector, state.texts_vector)
    return np.concatenate([np.asarray(one, np.float32) for one in both])
