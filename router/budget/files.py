"""Reads a policy from its file, whatever kind it is of."""

from __future__ import annotations

from pathlib import Path

from ...errors import ConfigurationError
from . import bandit, learned
from .bandit import BanditPolicy
from .learned import LearnedPolicy
from .weights import load_policy


def load_any_policy(file: Path, *, encoder: str | None = None) -> LearnedPolicy | BanditPolicy:
    """Read a policy that was trained.

    Raises:
        ConfigurationError: the file is missing, damaged, or no policy, or it was trained with
            another encoder than `encoder`.
    """
    _, card = load_policy(file, learned.KIND, bandit.KIND)
    if encoder is not None and card.get("encoder") != encoder:
        raise ConfigurationError(
            f"The policy {str(file)!r} was trained with the encoder {card.get('encoder')!r}, and "
            f"that of the settings is {encoder!r}. Train one with 'callboard train budget', or "
            "name a tier as [memory] policy."
        )
    return LearnedPolicy.load(file) if card["kind"] == learned.KIND else BanditPolicy.load(file)
