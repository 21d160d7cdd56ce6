"""Reads a policy from its file, whatever kind it is of; one is shipped."""

from __future__ import annotations

from pathlib import Path

from ...errors import ConfigurationError
from . import bandit, learned
from .bandit import BanditPolicy
from .learned import LearnedPolicy
from .weights import load_policy

LEARNED = "learned"
"""The name of the policy that is shipped; its card says how it was trained."""
SHIPPED = Path(__file__).parent / "data" / "learned.safetensors"


def load_any_policy(
    name: Path | str, *, encoder: str | None = None
) -> LearnedPolicy | BanditPolicy:
    """Read a policy that was trained: a file, or the shipped one by its name.

    Raises:
        ConfigurationError: the file is missing, damaged, or no policy, or it was trained with
            another encoder than `encoder`.
    """
    file = SHIPPED if str(name) == LEARNED else Path(name)
    _, card = load_policy(file, learned.KIND, bandit.KIND)
    if encoder is not None and card.get("encoder") != encoder:
        raise ConfigurationError(
            f"The policy {str(name)!r} was trained with the encoder {card.get('encoder')!r}, and "
            f"that of the settings is {encoder!r}. Train one with 'callboard train budget', or "
            "name a tier as [memory] policy."
        )
    return LearnedPolicy.load(file) if card["kind"] == learned.KIND else BanditPolicy.load(file)
