"""A deployment: one endpoint that serves a model, its health, its load, and leave to call it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ..model_settings import ModelSettings, PriceSettings
from .breaker import Breaker
from .chat import ChatModel, ChatRequest
from .failures import CallFailed
from .load import Load


def _nothing() -> None:
    pass


@dataclass(slots=True, kw_only=True, eq=False)
class Deployment:
    """One endpoint of the model that is called `model`. `connect` returns what asks it.

    `own_prices`: its replies state their cost themselves, because no price is known for them.
    `opened` is called when its breaker opens. Adapters of one model share the breaker and the load
    of its deployments.
    """

    model: str
    name: str
    settings: ModelSettings
    price: PriceSettings | None
    connect: Callable[[], Awaitable[ChatModel]]
    breaker: Breaker
    load: Load
    own_prices: bool = False
    opened: Callable[[], None] = _nothing
    last_failure: str = field(default="")

    @property
    def draining(self) -> bool:
        """Whether it gets no new calls."""
        return self.load.draining

    @property
    def weight(self) -> float:
        """How much it can do beside the others."""
        return self.settings.weight

    @property
    def tokens(self) -> int:
        """Tokens in flight."""
        return self.load.tokens

    @property
    def pending_tokens(self) -> int:
        """Tokens of prompts whose answer has not begun."""
        return self.load.pending_tokens

    @property
    def read_s(self) -> float:
        """Seconds that it takes for a token of a prompt, as measured."""
        return self.load.read_s

    def can(self, request: ChatRequest, tokens: int) -> bool:
        """Tell whether it offers what the request asks for, and has room for so many tokens."""
        settings = self.settings
        return (
            (settings.tools or not request.tools)
            and (settings.json_schema or request.json_schema is None)
            and (settings.logprobs or request.top_logprobs is None)
            and tokens <= settings.context_tokens
        )


class Lease:
    """The leave to make one call at a deployment, which ends exactly once."""

    def __init__(
        self, deployment: Deployment, tokens: int, prompt_tokens: int, ended: Callable[[], None]
    ) -> None:
        self.deployment = deployment
        self._tokens = tokens
        self._prompt_tokens = prompt_tokens
        self._told = ended
        self._open = True
        self._reading = True
        self._began = time.monotonic()
        self._entered = deployment.breaker.enter()
        deployment.load.enter(tokens, prompt_tokens)

    def began(self) -> None:
        """Note that the answer has begun: the prompt is read."""
        if self._reading:
            self._reading = False
            self.deployment.load.read(self._prompt_tokens, time.monotonic() - self._began)

    def answered(self) -> None:
        """End it: the deployment did its work."""
        if self._end():
            self.deployment.breaker.succeeded(self._entered)

    def failed(self, failure: CallFailed) -> None:
        """End it: what went wrong tells of the deployment, or of the request alone."""
        if not self._end():
            return
        breaker = self.deployment.breaker
        if failure.retry_after_s:
            self.deployment.load.pause(failure.retry_after_s)
        if failure.elsewhere and not failure.busy:
            self.deployment.last_failure = str(failure)
            breaker.failed(self._entered)
        else:
            breaker.left(self._entered)
        if breaker.health == "open":
            self.deployment.opened()

    def abandon(self) -> None:
        """End it: nothing is known of how it would have gone."""
        if self._end():
            self.deployment.breaker.left(self._entered)

    def _end(self) -> bool:
        was_open, self._open = self._open, False
        if was_open:
            if self._reading:
                self.deployment.load.read(self._prompt_tokens, None)
            self.deployment.load.leave(self._tokens)
            self._told()
        return was_open
