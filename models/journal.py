"""How the rooms record what they do and ask models: through the journal of the step they work in.

Routers, agents, the refiner and memory modules get a `Journal` and need to know neither the
gateway nor the database. The journal of a run (`pipelines/journal.py`) stores every step and
replays those that are done; `UnrecordedJournal` does the work and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias, TypeVar

from ..model_settings import ModelChoice
from ..values import Meter
from .chat import ChatReply, ChatRequest
from .gateway import Gateway
from .ladder import Ladder

T = TypeVar("T")

OnText: TypeAlias = Callable[[str], None]
"""Receives a piece of text as it is written."""

NO_LADDERS: Mapping[str, Ladder] = MappingProxyType({})


class Journal(Protocol):
    """Records the steps below one step of a run."""

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
        """Do `work` as a step, unless the run did it before: then return what it gave.

        `key` is unique among the steps below this one; `work` gets the journal of its own step;
        `returns` is the type of its result, which must survive JSON. A step that is not
        `repeatable` is on disk before it begins and as soon as it ends, and is never begun again
        after a crash.
        """

    async def ask(
        self, model: ModelChoice, request: ChatRequest, *, key: str, on_text: OnText | None = None
    ) -> ChatReply:
        """Ask a model: metered, and a step of its own. With `on_text` the reply is streamed.

        Raises:
            BudgetExceeded, ModelUnavailable, TimedOut, BadModelOutput, UnknownName
        """


class UnrecordedJournal:
    """A journal that keeps nothing: for a decision without a run, and for tests."""

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
