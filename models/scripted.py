"""A model whose words are known beforehand, for tests: nothing has to be patched.

    gateway = Gateway(settings.models, prices=..., cache_dir=..., replacements={
        "main": ScriptedModel(["Hello.", ModelUnavailable("down"), lambda request: "Last."]),
    })

It goes the same way as any other model: metered, timed, retried, streamed.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from ..errors import ConfigurationError
from ..values import Usage
from .chat import ChatReply, ChatRequest

Answer: TypeAlias = Callable[[ChatRequest], str | ChatReply]

SCRIPTED_USAGE = Usage(input_tokens=10, output_tokens=5)


class ScriptedModel:
    """Answers with one entry of `replies` per request, in order; a function answers every request.

    An entry is a text, a whole `ChatReply`, an exception to raise, or a function of the request.
    `requests` holds everything that was asked. `delay_s` passes before each reply; `usage` is what
    each reply used (its cost counts only where the model's settings have no price).

    Raises:
        ConfigurationError: more was asked than the script has replies for.
    """

    def __init__(
        self,
        replies: Sequence[str | ChatReply | Exception | Answer] | Answer,
        *,
        delay_s: float = 0.0,
        usage: Usage = SCRIPTED_USAGE,
    ) -> None:
        if isinstance(replies, str):
            raise ConfigurationError(
                f"ScriptedModel needs a list of replies, not one string: [{replies!r}]."
            )
        self._replies = replies if callable(replies) else list(replies)
        self._delay_s = delay_s
        self._usage = usage
        self.requests: list[ChatRequest] = []

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Return the next reply of the script."""
        started = time.perf_counter()
        entry = self._next(request)
        await asyncio.sleep(self._delay_s)
        if isinstance(entry, Exception):
            raise entry
        given = entry(request) if callable(entry) else entry
        if isinstance(given, ChatReply):
            return given
        return ChatReply(
            text=given,
            model="scripted",
            usage=self._usage,
            latency_s=time.perf_counter() - started,
            finish_reason="stop",
        )

    async def stream(self, request: ChatRequest) -> AsyncIterator[str | ChatReply]:
        """Yield the next reply of the script word by word, then whole."""
        started = time.perf_counter()
        reply = await self.complete(request)
        for word in re.findall(r"\S+\s*|\s+", reply.text):
            yield word
            await asyncio.sleep(0)
        yield replace(reply, latency_s=time.perf_counter() - started)

    def _next(self, request: ChatRequest) -> str | ChatReply | Exception | Answer:
        self.requests.append(request)
        if callable(self._replies):
            return self._replies
        asked = len(self.requests)
        if asked > len(self._replies):
            last = request.messages[-1].content[:200] if request.messages else ""
            raise ConfigurationError(
                f"The script of ScriptedModel has run out: it holds {len(self._replies)} replies "
                f"and this is request {asked}: {last!r}. Add a reply, or script a function."
            )
        return self._replies[asked - 1]
