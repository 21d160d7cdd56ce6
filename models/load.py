"""What one deployment has in hand, and whether its limits let one more call in."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from ..model_settings import ModelSettings

MINUTE_S = 60.0
READ_S = 0.00016
"""Seconds per token of a prompt until it is measured: the constant of DualMap's code."""
FORGET = 0.1
"""How much the last time to the first token counts."""


class Load:
    """Requests and tokens in flight, and those of the last minute. Used on one event loop.

    A call that is larger than a limit on tokens goes when it is alone. `draining`: no new call is
    to go there.
    """

    def __init__(
        self, settings: ModelSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._minute: deque[tuple[float, int]] = deque()
        self._minute_tokens = 0
        self._paused_until = 0.0
        self.requests = 0
        self.tokens = 0
        self.pending_tokens = 0
        self.read_s = READ_S
        self.draining = False

    def free(self, tokens: int) -> bool:
        """Tell whether a call of so many tokens may go now."""
        limits = self._settings
        self._forget()
        return (
            not self.paused_s()
            and _within(self.requests + 1, limits.requests_in_flight)
            and _within(len(self._minute) + 1, limits.requests_per_minute)
            and (not self.requests or _within(self.tokens + tokens, limits.tokens_in_flight))
            and (
                not self._minute or _within(self._minute_tokens + tokens, limits.tokens_per_minute)
            )
        )

    def wait_s(self) -> float:
        """Return the seconds after which it is worth looking again, if no call ends before."""
        if paused_s := self.paused_s():
            return paused_s
        return self._minute[0][0] + MINUTE_S - self._clock() if self._minute else MINUTE_S

    def pause(self, seconds: float) -> None:
        """Let no call in for so long, because the endpoint asked for it."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def paused_s(self) -> float:
        """Return for how many seconds more the endpoint wants no calls."""
        return max(0.0, self._paused_until - self._clock())

    def enter(self, tokens: int, prompt_tokens: int) -> None:
        """Count a call that goes; `prompt_tokens` of its tokens are to be read."""
        self.requests += 1
        self.tokens += tokens
        self.pending_tokens += prompt_tokens
        if self._settings.requests_per_minute or self._settings.tokens_per_minute:
            self._minute.append((self._clock(), tokens))
            self._minute_tokens += tokens

    def read(self, prompt_tokens: int, took_s: float | None) -> None:
        """Count a prompt that is read, and learn from the time to the first token; None: unread."""
        ahead = self.pending_tokens
        self.pending_tokens -= prompt_tokens
        if took_s is not None:
            # What waited with it was read too; a prefix that was known makes the estimate smaller.
            self.read_s += FORGET * (took_s / max(ahead, 1) - self.read_s)

    def leave(self, tokens: int) -> None:
        """Count a call that ended."""
        self.requests -= 1
        self.tokens -= tokens

    def _forget(self) -> None:
        now = self._clock()
        while self._minute and self._minute[0][0] + MINUTE_S <= now:
            self._minute_tokens -= self._minute.popleft()[1]


def _within(count: int, limit: int | None) -> bool:
    return limit is None or count <= limit
