"""How the rooms record what they do and ask models: through the journal of the step they work in.

Routers, agents, the refiner and memory modules get a `Journal` and need to know neither the
gateway nor the database. The journal of a run (`pipelines/journal.py`) stores every step and
replays those that are done; that of `unrecorded.py` does the work and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias, TypeVar

from ..model_settings import ModelChoice
from .chat import ChatReply, ChatRequest

T = TypeVar("T")

OnText: TypeAlias = Callable[[str], None]
"""Receives a piece of text as it is written."""


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
