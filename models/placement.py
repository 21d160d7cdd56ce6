"""Placement: which of several deployments of a model takes a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..model_settings import Placement
from .chat import ChatRequest
from .deployments import Deployment


class PlacementPolicy(Protocol):
    """Chooses among the deployments that may take a call now; it keeps what it has to know."""

    def choose(self, request: ChatRequest, free: Sequence[Deployment]) -> Deployment:
        """Return one of `free`, which is never empty."""


class LeastLoaded:
    """The one with the fewest tokens in flight for its weight; of equals the longest unused."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}
        self._count = 0

    def choose(self, request: ChatRequest, free: Sequence[Deployment]) -> Deployment:
        """Return the least loaded."""
        chosen = min(
            free,
            key=lambda one: (one.load.tokens / one.settings.weight, self._used.get(one.name, 0)),
        )
        self._count += 1
        self._used[chosen.name] = self._count
        return chosen


class RoundRobin:
    """One after the other, by their weights: smooth weighted round robin, as nginx has it."""

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def choose(self, request: ChatRequest, free: Sequence[Deployment]) -> Deployment:
        """Return the one whose turn it is."""
        for one in free:
            self._credit[one.name] = self._credit.get(one.name, 0.0) + one.settings.weight
        chosen = max(free, key=lambda one: self._credit[one.name])
        self._credit[chosen.name] -= sum(one.settings.weight for one in free)
        return chosen


POLICIES: dict[Placement, Callable[[], PlacementPolicy]] = {
    "least_loaded": LeastLoaded,
    "round_robin": RoundRobin,
}
