"""The placement policies by the names that the settings give them."""

from __future__ import annotations

from ...model_settings import ModelSettings
from .dualmap import DualMap
from .policies import Affinity, LeastLoaded, PlacementPolicy, RoundRobin


def placement_of(settings: ModelSettings) -> PlacementPolicy:
    """Return the policy of a model."""
    match settings.placement:
        case "dualmap":
            return DualMap(ttft_s=settings.ttft_s, cache_tokens=settings.cache_tokens)
        case "affinity":
            return Affinity()
        case "round_robin":
            return RoundRobin()
        case "least_loaded":
            return LeastLoaded()
