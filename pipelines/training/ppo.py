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
    """One query: what was seen before each module, what was chosen, and what came of it."""

    states: list[NDArray[np.float32]] = field(default_factory=list)
    modules: list[int] = field(default_factory=list)
    actions: list[int] = field(default_factory=list)
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
        self.generator = torch.Generator().manual_seed(settings.seed)
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            self.network = BudgetNetwork(descriptions)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=LEARNING_RATE, eps=EPSILON)

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
            episodes = [self._play(query) for query in queries]
            progress = self._improve(episodes, number)
            self.history.append(progress)
            told(progress)
        self.epoch += 1

    def tier(self, state: ModuleState) -> Tier:
        """Return the likeliest tier, as the trained policy will."""
        logs = self._logs(_seen(state), MEMORY_MODULES.index(state.module.name))
        return TIERS[int(logs.argmax())]

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights of the actor, by the names under which they are stored."""
        weights = self.network.state_dict()
        return {name: one.numpy() for name, one in weights.items() if "critic" not in name}

    def _play(self, query: int) -> _Episode:
        episode = _Episode()

        def choose(state: ModuleState) -> Tier:
            seen, module = _seen(state), MEMORY_MODULES.index(state.module.name)
            shares = self._logs(seen, module).exp()
            action = int(torch.multinomial(shares, 1, generator=self.generator))
            episode.states.append(seen)
            episode.modules.append(module)
            episode.actions.append(action)
            return TIERS[action]

        played = self.environment.play(query, choose)
        episode.task, episode.cost_usd = played.reward, played.cost_usd
        return episode

    def _logs(self, seen: NDArray[np.float32], module: int) -> Tensor:
        with torch.no_grad():
            features = self.network.features(torch.from_numpy(seen), torch.tensor(module))
            return torch.log_softmax(self.network.actor(features), dim=-1)

    def _improve(self, episodes: Sequence[_Episode], number: int) -> Progress:
        tasks = np.array([one.task for one in episodes])
        costs = [one.cost_usd for one in episodes]
        rewards = self.alignment(tasks, self.normaliser(costs), self.settings.cost_weight)
        states = torch.from_numpy(np.stack([np.stack(one.states) for one in episodes]))
        modules = torch.tensor([one.modules for one in episodes])
        actions = torch.tensor([one.actions for one in episodes])
        returns = torch.from_numpy(rewards).float()
        with torch.no_grad():
            logs, old_values = self.network(states, modules)
            old = _joint(logs, actions)
            advantages = returns - old_values
            if len(episodes) > 1:
                advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        entropy = 0.0
        for _ in range(PASSES):
            logs, values = self.network(states, modules)
            ratio = (_joint(logs, actions) - old).clamp(-_LOG_RATIO, _LOG_RATIO).exp()
            clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
            gain = torch.minimum(ratio * advantages, clipped * advantages).mean()
            near = old_values + (values - old_values).clamp(-CLIP, CLIP)
            error = torch.maximum((values - returns) ** 2, (near - returns) ** 2).mean()
            spread = -(logs.exp() * logs).sum(-1).mean()
            loss = -gain + VALUE_WEIGHT * 0.5 * error - ENTROPY_WEIGHT * spread
            self.optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
            self.optimiser.step()
            entropy = float(spread.detach())
        counts = torch.bincount(actions.flatten(), minlength=len(TIERS)) / actions.numel()
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


def _joint(logs: Tensor, actions: Tensor) -> Tensor:
    """Return the log-probability of all tiers of a query together, `(batch,)`."""
    chosen: Tensor = logs.gather(-1, actions.unsqueeze(-1)).squeeze(-1).sum(-1)
    return chosen


def _seen(state: ModuleState) -> NDArray[np.float32]:
    both = (state.query_vector, state.texts_vector)
    return np.concatenate([np.asarray(one, np.float32) for one in both])
