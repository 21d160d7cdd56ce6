"""Replies that were paid once: kept in a file by what was asked, and given again without a call.

For benchmarks and training, where the same question is asked many times and the answer at
temperature 0 is the same. Latency and cost are those of the first time, so that what is reported
is what it would have cost.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from ..codec import from_json, to_json
from ..model_settings import ModelChoice, model_name
from .answers import request_key
from .chat import ChatReply, ChatRequest
from .journal import Journal, OnText

T = TypeVar("T")


class Replies:
    """A file of replies, SQLite. May be used from any thread."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL)"
        )

    def get(self, model: str, request: ChatRequest) -> ChatReply | None:
        """Return what was answered to this request, or None."""
        with self._lock:
            row = self._connection.execute(
                "SELECT reply FROM replies WHERE key = ?", (request_key([model], request),)
            ).fetchone()
        return None if row is None else from_json(ChatReply, json.loads(row[0]))

    def put(self, model: str, request: ChatRequest, reply: ChatReply) -> None:
        """Keep a reply."""
        text = json.dumps(to_json(reply, ChatReply))
        with self._lock:
            self._connection.execute(
                "INSERT OR REPLACE INTO replies VALUES (?, ?)",
                (request_key([model], request), text),
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class KnownReplies:
    """A journal that asks each question once, whoever asks it.

    `replies` are all that it gave, `saved_s` is how long those took that were known.
    """

    def __init__(self, journal: Journal, kept: Replies) -> None:
        self._journal = journal
        self._kept = kept
        self.replies: list[ChatReply] = []
        self.saved_s = 0.0

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
        """Do `work`, with this journal."""
        return await work(self)

    async def ask(
        self, model: ModelChoice, request: ChatRequest, *, key: str, on_text: OnText | None = None
    ) -> ChatReply:
        """Return the reply that is known, or ask the model."""
        name = model_name(model)
        reply = self._kept.get(name, request)
        if reply is None:
            reply = await self._journal.ask(model, request, key=key, on_text=on_text)
            self._kept.put(name, request, reply)
        else:
            self.saved_s += reply.latency_s
        self.replies.append(reply)
        return reply
