"""What was judged before: remembered for the same question, and asked once for all who ask now.

A judgement is the model's word at temperature 0, so the same question needs no second call. The key
holds all that the answer depends on, and the tenant, so that nothing is ever told to another one.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ...errors import BadModelOutput, CallboardError, ModelUnavailable, TimedOut

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

REMEMBERED = 1024
"""Judgements that are kept; one takes about 2 kB."""

_SHARED_FAILURES = (ModelUnavailable, TimedOut, BadModelOutput)
"""Failures of the model: whoever waits would meet them too. Others are the asker's own, such as
the end of its money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgementKey:
    """What a judgement depends on. `query` and `context` are `normalised`."""

    tenant: str
    registry_version: int
    query: str
    context: tuple[Hashable, ...]
    shortlist: tuple[str, ...]
    max_agents: int
    model: str
    prompt_version: int
    reading: str


class Remembered(Generic[K, V]):
    """The last `limit` answers by their key. Used on one event loop, without any lock.

    An answer is worked out in the task of the caller that asked first, with that caller's journal
    and money. If this caller is cancelled or fails for reasons of its own, the next one that waits
    begins anew; if the model failed, all who wait are told so. A failure is never remembered.
    """

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._answers: OrderedDict[K, V] = OrderedDict()
        self._asking: dict[K, _Asking[V]] = {}

    def forget(self) -> None:
        """Forget all answers; they are worked out again."""
        self._answers.clear()

    async def get(
        self, key: K, work: Callable[[], Awaitable[V]], *, keep: Callable[[], bool] = lambda: True
    ) -> tuple[V, bool]:
        """Return the answer, and whether it was there already or another caller's.

        An answer of which `keep` says no is given to this caller alone.

        Raises:
            CallboardError: what `work` raised here, or a failure of the model that another met.
        """
        while key not in self._answers:
            asking = self._asking.get(key)
            if asking is None:
                return await self._ask(key, work, keep), False
            await asking.ended.wait()
            if asking.failure is not None:
                raise asking.failure
            if asking.answers:
                return asking.answers[0], True
        self._answers.move_to_end(key)
        return self._answers[key], True

    async def _ask(self, key: K, work: Callable[[], Awaitable[V]], keep: Callable[[], bool]) -> V:
        asking: _Asking[V] = _Asking()
        self._asking[key] = asking
        try:
            answer = await work()
        except _SHARED_FAILURES as error:
            asking.failure = error
            raise
        finally:
            del self._asking[key]
            asking.ended.set()
        if keep():
            asking.answers.append(answer)
            self._answers[key] = answer
            if len(self._answers) > self._limit:
                self._answers.popitem(last=False)
        return answer


@dataclass(slots=True)
class _Asking(Generic[V]):
    """An answer on its way. It ends with an answer, with a failure, or given up with neither."""

    ended: asyncio.Event = field(default_factory=asyncio.Event)
    answers: list[V] = field(default_factory=list)
    failure: CallboardError | None = None


def normalised(text: str) -> str:
    """Return `text` without what makes no other question of it.

    That is case, spaces, how a character is encoded, and the sentence marks at the end.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).rstrip(_SENTENCE_MARKS)


_SENTENCE_MARKS = " .!?,;:…。"
"""Not all punctuation: "C#" is another question than "C"."""
