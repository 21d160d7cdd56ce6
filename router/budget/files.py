"""Reads a policy from its file, whatever kind it is of."""

from __future__ import annotations

from pathlib import Path

from . import bandit, learned
from .bandit import BanditPolicy
from .learned import LearnedPolicy
from .weights import load_policy


def load_any_policy(file: Path) -> LearnedPolicy | BanditPolicy:
    """Read a policy that was trained.

    Raises:
        ConfigurationError: the file is missing, damaged, or no policy.
    """
    _, card = load_policy(file, learned.KIND, bandit.KIND)
    return LearnedPolicy.load(file) if card["kind"] == learned.KIND else BanditPolicy.load(file)
