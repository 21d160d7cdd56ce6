"""Answers to exactly the same request, given again: for a while, and while they are being made.

Only requests at temperature 0 are looked up: of others every answer is meant to be a new one.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from cachetools import TTLCache

from ..codec import to_json
from ..values import Usage
from .chat import ChatReply, ChatRequest

KEPT = 4096
"""Answers of one model, those that were used last."""


class Answers:
    """The answers of one model. Used on one event loop."""

    def __init__(self, seconds: float) -> None:
        self._kept: TTLCache[str, ChatReply] = TTLCache(KEPT, seconds)
        self._going: dict[str, asyncio.Event] = {}

    def forget(self) -> None:
        """Forget all answers; they are asked for again."""
        self._kept.clear()

    async def once(self, key: str, ask: Callable[[], Awaitable[ChatReply]]) -> ChatReply:
        """Return the answer that is known or under way, which costs nothing, or `ask`.

        If the call that is waited for fails or is cancelled, one of those who wait makes it again.
        """
        while (going := self._going.get(key)) is not None:
            await going.wait()
        known = self._kept.get(key)
        if known is not None:
            return replace(known, usage=Usage(), latency_s=0.0, attempts=0, cached=True)
        going = self._going[key] = asyncio.Event()
        try:
            reply = self._kept[key] = await ask()
        finally:
            del self._going[key]
            going.set()
        return reply


def request_key(names: Sequence[str], request: ChatRequest) -> str:
    """Return a key for what is asked, and of whom: `names`."""
    text = json.dumps([*names, to_json(request, ChatRequest)], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
