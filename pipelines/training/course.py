"""A training from the first query to the files: checkpoints, the policy with its card, pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...models.learned import save_learned
from ...router.budget import FixedPolicy, RandomPolicy
from ...router.budget.learned import KIND
from ...values import MEMORY_MODULES, TIERS
from .environment import Choose, Environment, Played, choosing
from .plots import check_plots, draw_frontier, draw_learning

if TYPE_CHECKING:
    from .ppo import Progress, Trainer, TrainingSettings

POLICY, BANDIT = "policy.safetensors", "bandit.safetensors"
CURVE, FRONTIER = "learning.png", "frontier.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What is trained, and where its files go; `card` is said in the policy's own card.

    `descriptions` `(5, dim)` are the embeddings of the modules' descriptions. With `resume` a
    training that was broken off goes on from its last epoch.
    """

    environment: Environment
    descriptions: NDArray[np.float32]
    folder: Path
    card: Mapping[str, Any]
    resume: bool = False


Told = Callable[[str], None]


def train_policies(
    course: Course, settings: TrainingSettings, cost_weights: tuple[float, ...], told: Told
) -> dict[str, Played]:
    """Train a policy at each cost weight, and return what each one gains and costs.

    Simple policies stand beside: the fixed tiers, and one by chance. A single cost weight writes
    into the course's folder, several into one folder each.

    Raises:
        ConfigurationError: matplotlib is missing, or there is a checkpoint that does not fit.
    """
    check_plots()
    points: dict[str, Played] = {}
    for weight in cost_weights:
        folder = course.folder / f"cost-weight-{weight}" if len(cost_weights) > 1 else course.folder
        trainer = _train(course, folder, replace(settings, cost_weight=weight), told)
        points[f"learned at {weight}"] = outcome(course.environment, trainer.tier)
    for tier in TIERS:
        told(f"{tier} for all")
        points[tier] = outcome(course.environment, choosing(FixedPolicy(tier)))
    told("by chance")
    points["random"] = outcome(course.environment, choosing(RandomPolicy(settings.seed)))
    draw_frontier(points, course.folder / FRONTIER)
    return points


def train_bandit_policy(course: Course, settings: TrainingSettings, told: Told) -> Played:
    """Train a contextual bandit, write it, and return what it gains and costs."""
    from .bandit import train_bandit

    environment = course.environment
    policy = train_bandit(environment, settings, lambda epoch: told(f"bandit, epoch {epoch + 1}"))
    card = {**course.card, **asdict(settings), "encoder": environment.encoder}
    policy.save(course.folder / BANDIT, card)
    return outcome(environment, choosing(policy))


def outcome(environment: Environment, choose: Choose) -> Played:
    """Return the means over all queries."""
    played = [environment.play(query, choose) for query in range(len(environment))]
    return Played(
        reward=float(np.mean([one.reward for one in played])),
        cost_usd=float(np.mean([one.cost_usd for one in played])),
    )


def _train(course: Course, folder: Path, settings: TrainingSettings, told: Told) -> Trainer:
    from .checkpoint import load_checkpoint, save_checkpoint
    from .ppo import Trainer

    trainer = Trainer(course.environment, course.descriptions, settings)
    if course.resume:
        load_checkpoint(folder, trainer)

    def progress(one: Progress) -> None:
        shares = ", ".join(f"{t} {s:.0%}" for t, s in zip(TIERS, one.shares, strict=True))
        told(
            f"cost weight {settings.cost_weight}, epoch {one.epoch + 1} of {settings.epochs}, "
            f"batch {one.batch + 1}: task {one.task:.3f}, ${one.cost_usd:.6f}, {shares}"
        )

    while trainer.epoch < settings.epochs:
        trainer.train_epoch(progress)
        save_checkpoint(folder, trainer)
    save_learned(folder / POLICY, trainer.tensors(), _card(course, trainer))
    draw_learning(trainer.history, folder / CURVE)
    return trainer


def _card(course: Course, trainer: Trainer) -> dict[str, Any]:
    environment = course.environment
    return {
        **course.card,
        **asdict(trainer.settings),
        "kind": KIND,
        "encoder": environment.encoder,
        "dim": environment.dim,
        "modules": list(MEMORY_MODULES),
        "queries": len(environment),
    }
