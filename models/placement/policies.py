"""The policies without memory of prompts, and what all policies are told of an instance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from .prompts import Prompt
from .ring import Ring


class Instance(Protocol):
    """One that serves the model, as it stands now.

    `pending_tokens` are those of prompts that it has not read yet, `tokens` all in flight;
    `read_s` are the seconds that it takes for a token of a prompt.
    """

    @property
    def name(self) -> str:
        """Its name among the others."""

    @property
    def weight(self) -> float:
        """How much it can do beside the others."""

    @property
    def tokens(self) -> int:
        """Tokens in flight."""

    @property
    def pending_tokens(self) -> int:
        """Tokens of prompts that wait to be read."""

    @property
    def read_s(self) -> float:
        """Seconds per token of a prompt."""


I = TypeVar("I", bound=Instance)  # noqa: E741


class PlacementPolicy(Protocol):
    """Chooses among the instances that may take a call now; it keeps what it has to know."""

    def choose(self, prompt: Prompt, free: Sequence[I]) -> I:
        """Return one of `free`, which is never empty."""

    def leave(self, name: str) -> None:
        """Forget an instance that is gone."""


class LeastLoaded:
    """The one with the fewest tokens in flight for its weight; of equals the longest unused."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}
        self._count = 0

    def choose(self, prompt: Prompt, free: Sequence[I]) -> I:
        """Return the least loaded."""
        chosen = min(free, key=lambda one: (one.tokens / one.weight, self._used.get(one.name, 0)))
        self._count += 1
        self._used[chosen.name] = self._count
        return chosen

    def leave(self, name: str) -> None:
        """Forget it."""
        self._used.pop(name, None)


class RoundRobin:
    """One after the other, by their weights: smooth weighted round robin, as nginx has it."""

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def choose(self, prompt: Prompt, free: Sequence[I]) -> I:
        """Return the one whose turn it is."""
        for one in free:
            self._credit[one.name] = self._credit.get(one.name, 0.0) + one.weight
        chosen = max(free, key=lambda one: self._credit[one.name])
        self._credit[chosen.name] -= sum(one.weight for one in free)
        return chosen

    def leave(self, name: str) -> None:
        """Forget it."""
        self._credit.pop(name, None)


class Affinity:
    """Prompts whose first `depth` blocks are alike go to one instance, whatever its load."""

    def __init__(self, depth: int = 2) -> None:
        self._depth = depth
        self._ring = Ring(1)

    def choose(self, prompt: Prompt, free: Sequence[I]) -> I:
        """Return the instance of the prompt's beginning, or the least loaded if that is busy."""
        by_name = {one.name: one for one in free}
        for name in by_name:
            self._ring.join(name)
        key = prompt.blocks[min(self._depth, len(prompt.blocks)) - 1]
        home = self._ring.find(key)
        return by_name.get(home or "") or min(free, key=lambda one: one.tokens / one.weight)

    def leave(self, name: str) -> None:
        """Take it off the ring."""
        self._ring.leave(name)
