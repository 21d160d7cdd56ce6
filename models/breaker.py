"""The circuit breaker of one deployment: after failures it is left alone, then tried with one call.

Closed, calls pass. After `failures` in a row it opens, and none pass for `cooldown_s`. Then it is
half-open: one call passes, and its outcome closes the breaker or opens it again (M. Nygard,
"Release It!", 2007, chapter 5).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, TypeAlias

Health: TypeAlias = Literal["closed", "open", "half_open"]


class Breaker:
    """Counts what comes back from one deployment. Used on one event loop; `clock` in seconds."""

    def __init__(
        self, *, failures: int, cooldown_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._cooldown_s = cooldown_s
        self._clock = clock
        self._failed = 0
        self._until: float | None = None
        self._trial = False
        self._era = 0

    @property
    def health(self) -> Health:
        """Whether calls pass."""
        if self._until is None:
            return "closed"
        return "open" if self._clock() < self._until else "half_open"

    def wait_s(self) -> float:
        """Return the seconds until a call may pass: 0 now, and of a trial that goes on a moment."""
        if self._until is None:
            return 0.0
        left = self._until - self._clock()
        return left if left > 0 else (self._cooldown_s if self._trial else 0.0)

    def enter(self) -> int:
        """Let a call pass; what is returned goes with its outcome."""
        if self._until is not None:
            self._trial = True
        return self._era

    def succeeded(self, entered: int) -> None:
        """Note an answer. One that was asked for before the breaker opened says nothing."""
        if entered == self._era:
            self.close()

    def failed(self, entered: int) -> None:
        """Note a failure; after `failures` in a row, or a failed trial, the breaker opens."""
        if entered != self._era:
            return
        self._failed += 1
        if self._trial or self._failed >= self._limit:
            self.rest(self._cooldown_s)

    def left(self, entered: int) -> None:
        """Note a call that ended without telling anything about the deployment."""
        if entered == self._era:
            self._trial = False

    def rest(self, seconds: float) -> None:
        """Let no call pass for so long."""
        self._era += 1
        self._trial = False
        self._until = self._clock() + seconds

    def close(self) -> None:
        """Let all calls pass again."""
        self._failed = 0
        if self._until is not None:
            self._until = None
            self._trial = False
            self._era += 1
