"""A journal that keeps nothing: for a decision without a run, for benchmarks and for tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from ..model_settings import ModelChoice
from ..values import Meter
from .chat import ChatReply, ChatRequest
from .gateway import Gateway
from .journal import Journal, OnText
from .ladder import Ladder

T = TypeVar("T")

NO_LADDERS: Mapping[str, Ladder] = MappingProxyType({})


class UnrecordedJournal:
    """Does the work and asks the models; `replies` are those that came."""

    def __init__(
        self, gateway: Gateway, meter: Meter, ladders: Mapping[str, Ladder] = NO_LADDERS
    ) -> None:
        self._gateway = gateway
        self._meter = meter
        self._ladders = ladders
        self.replies: list[ChatReply] = []

    async def once(
        self,
        key: str,
        name: str,
        work: Callable[[Journal], Awaitable[T]],
        *,
        returns: Any,
        agent: str | None = None,
        repeatable: bool = True,
    ) -> T:
        """Do `work`."""
        return await work(self)

    async def ask(
        self, model: ModelChoice, request: ChatRequest, *, key: str, on_text: OnText | None = None
    ) -> ChatReply:
        """Ask the model."""
        if isinstance(model, str) and model in self._ladders:
            return await self._ladders[model].climb(self, request, key=key, on_text=on_text)
        reply = await self._gateway.ask(model, request, meter=self._meter, on_text=on_text)
        self.replies.append(reply)
        return reply
