"""Whether router and recall can be built on settings; else the first query would be refused."""

from __future__ import annotations

from collections.abc import Iterator

from ..config import Settings
from ..errors import ConfigurationError
from ..router.budget import load_any_policy
from ..router.reasoning.judge import ReasoningRouter
from ..values import TIERS


def misfits(settings: Settings) -> Iterator[tuple[str, ConfigurationError]]:
    """Yield what can't be built, and why. Whether a policy fits the encoder is not looked at."""
    router, policy = settings.router, settings.memory.policy
    try:
        model = settings.models[router.model]
        ReasoningRouter(router.model, reading=router.reading, logprobs=model.logprobs)
    except ConfigurationError as error:
        yield "router", error
    try:
        if policy not in TIERS:
            load_any_policy(policy)
    except ConfigurationError as error:
        yield "memory", error
