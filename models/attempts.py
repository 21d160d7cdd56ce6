"""One call to a model: its tries, the money each of them takes from the meter, and its deadline.

Each attempt reserves an upper bound first and ends its reservation exactly once: settled with what
it used, settled as unknown if it may have cost something, or released if it surely did not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from ..config import PriceSettings
from ..errors import (
    BadModelOutput,
    CallboardError,
    ConfigurationError,
    InvalidInput,
    ModelUnavailable,
)
from ..values import Meter, Reservation, Usage
from .chat import ChatReply
from .failures import CallFailed, timed_out
from .prices import cost, is_free

T = TypeVar("T")

BACKOFF_S = 0.5
"""The first wait is random in 0..BACKOFF_S; the range doubles with each attempt."""
BACKOFF_LIMIT_S = 20.0

_REFUSALS = (ModelUnavailable, InvalidInput, ConfigurationError)
"""Errors of a replacement model that say that it did no work."""


@dataclass(slots=True, kw_only=True)
class Call:
    """What all attempts of one call share.

    `own_prices`: the replies state their cost themselves, because no price is known for them.
    `paid_unknown` becomes True when an attempt that was given up may have cost something.
    """

    model: str
    meter: Meter
    price: PriceSettings | None
    bound_usd: Decimal | None
    own_prices: bool
    timeout_s: float
    retries: int
    deadline: float
    attempts: int = 0
    paid_unknown: bool = False

    async def open(self, start: Callable[[], AsyncIterator[str | ChatReply]]) -> Attempt:
        """Return the first attempt that delivers something; `start` begins one.

        Raises:
            CallFailed: the last attempt failed too, or another would not help.
        """
        if self.retries == 0:
            return await Attempt.begin(self, start)
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.retries + 1) | stop_before_delay(self.timeout_s),
            wait=_wait_s,
            retry=retry_if_exception(_is_transient),
            sleep=asyncio.sleep,
            reraise=True,
        )
        return await retrying(Attempt.begin, self, start)

    def priced(self, usage: Usage) -> Usage:
        """Return `usage` with what it cost at our price."""
        if self.own_prices:
            return usage
        return replace(usage, cost_usd=cost(self.price, usage.input_tokens, usage.output_tokens))

    @property
    def unknown(self) -> Usage:
        """What an attempt used that never told: nothing is known but that free is free."""
        free = self.own_prices or is_free(self.price)
        return Usage(input_tokens=None, output_tokens=None, cost_usd=Decimal(0) if free else None)


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One try: the pieces that come, and the reservation that is ended exactly once."""

    call: Call
    pieces: AsyncIterator[str | ChatReply]
    reservation: Reservation
    first: str | ChatReply = ""
    ended: bool = field(default=False)

    @classmethod
    async def begin(
        cls, call: Call, start: Callable[[], AsyncIterator[str | ChatReply]]
    ) -> Attempt:
        """Reserve, start, and wait for the first piece."""
        call.attempts += 1
        attempt = cls(call=call, pieces=start(), reservation=await _reserve(call))
        attempt.first = await attempt.next()
        return attempt

    async def next(self) -> str | ChatReply:
        """Return the next piece of text, or at the end the whole reply, paid for.

        Raises:
            CallFailed: the model failed, was too slow, or said nothing.
        """
        try:
            async with asyncio.timeout_at(self.call.deadline):
                piece = await anext(self.pieces)
        except CallFailed as error:
            failed = error
        except TimeoutError:
            failed = CallFailed(timed_out(self.call.model, self.call.timeout_s), unpaid=False)
        except StopAsyncIteration:
            failed = CallFailed(
                BadModelOutput(f"Model {self.call.model!r} ended without a whole reply."),
                unpaid=False,
            )
        except CallboardError as error:
            failed = CallFailed(error, unpaid=isinstance(error, _REFUSALS))
        except BaseException:
            await self.abandon()
            raise
        else:
            return await self._paid(piece) if isinstance(piece, ChatReply) else piece
        await self._end(None if failed.unpaid else self.call.unknown)
        raise failed

    async def abandon(self) -> None:
        """Settle as unknown what was neither finished nor refused: cancelled, or not read on."""
        await self._end(self.call.unknown)

    async def _paid(self, reply: ChatReply) -> ChatReply:
        usage = self.call.priced(reply.usage)
        await self._end(usage)
        if not reply.text.strip() and not reply.tool_calls:
            raise CallFailed(_said_nothing(self.call.model, reply), unpaid=False)
        if self.call.paid_unknown:
            usage = replace(usage, cost_usd=None)
        return replace(reply, usage=usage, attempts=self.call.attempts)

    async def _end(self, usage: Usage | None) -> None:
        """Settle with `usage`, or release with None."""
        if self.ended:
            return
        self.ended = True
        meter = self.call.meter
        try:
            if usage is None:
                await _finish(meter.release(self.reservation))
            else:
                self.call.paid_unknown |= usage.cost_usd is None
                await _finish(meter.settle(self.reservation, usage))
        finally:
            if isinstance(self.pieces, AsyncGenerator):
                await self.pieces.aclose()


async def _reserve(call: Call) -> Reservation:
    """Reserve; when cancelled on the way, give back what was reserved nevertheless."""
    reserving = asyncio.ensure_future(call.meter.reserve(call.bound_usd, model=call.model))
    try:
        return await asyncio.shield(reserving)
    except asyncio.CancelledError:
        with suppress(CallboardError):
            await call.meter.release(await reserving)
        raise


async def _finish(booking: Awaitable[T]) -> T:
    """Await a booking that a second cancellation must not tear apart."""
    return await asyncio.shield(asyncio.ensure_future(booking))


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, CallFailed) and error.transient


def _wait_s(state: RetryCallState) -> float:
    """Exponential backoff with full jitter, and never sooner than the endpoint asked for."""
    backoff = wait_random_exponential(multiplier=BACKOFF_S, max=BACKOFF_LIMIT_S)(state)
    failed = state.outcome.exception() if state.outcome else None
    asked = failed.retry_after_s if isinstance(failed, CallFailed) else None
    return backoff + (asked or 0.0)


def _said_nothing(model: str, reply: ChatReply) -> BadModelOutput:
    if reply.finish_reason == "length":
        fix = "It used up max_tokens before it wrote; allow more."
    elif reply.finish_reason == "content_filter":
        fix = "The endpoint's content filter removed its answer; ask something else."
    else:
        fix = "Ask again, or use another model."
    return BadModelOutput(f"Model {model!r} answered with nothing. {fix}")
