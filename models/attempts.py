"""One call to a model: its tries, the money each of them takes from the meter, and its deadline.

Each attempt reserves an upper bound first and ends its reservation exactly once: settled with what
it used, settled as unknown if it may have cost something, or released if it surely did not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
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

from ..errors import (
    BadModelOutput,
    CallboardError,
    ConfigurationError,
    InvalidInput,
    ModelUnavailable,
)
from ..values import Meter, Reservation, Usage
from .chat import ChatModel, ChatReply, ChatRequest
from .deployments import Lease
from .failures import CallFailed, timed_out
from .pool import Pool
from .prices import cost, expected_tokens

T = TypeVar("T")

BACKOFF_S = 0.5
"""The first wait is random in 0..BACKOFF_S; the range doubles with each attempt."""
BACKOFF_LIMIT_S = 20.0

_REFUSALS = (ModelUnavailable, InvalidInput, ConfigurationError)
"""Errors of a replacement model that say that it did no work."""


@dataclass(slots=True, kw_only=True)
class Call:
    """What all attempts of one call share.

    `pools` are the model's, and those of the models that are asked when it fails. `prompt_bound`
    are tokens that the prompt does not exceed. `paid_unknown` becomes True when an attempt that was
    given up may have cost something.
    """

    pools: Sequence[Pool]
    request: ChatRequest
    prompt_bound: int
    streamed: bool
    meter: Meter
    timeout_s: float
    deadline: float
    attempts: int = 0
    paid_unknown: bool = False
    tried: set[str] = field(default_factory=set)

    async def open(self) -> Attempt:
        """Return the first attempt that delivers something.

        Raises:
            CallFailed: the last attempt failed too, or another would not help.
        """
        for pool in self.pools[:-1]:
            try:
                return await self._at(pool)
            except CallFailed as failed:
                if not failed.elsewhere or self.left_s <= 0:
                    raise
        return await self._at(self.pools[-1])

    async def _at(self, pool: Pool) -> Attempt:
        """Return the first attempt at a model that delivers something, after its retries."""
        self.tried.clear()
        if pool.settings.retries == 0:
            return await Attempt.begin(self, pool)
        retrying = AsyncRetrying(
            stop=stop_after_attempt(pool.settings.retries + 1) | stop_before_delay(self.left_s),
            wait=lambda state: 0.0 if pool.untried(self.tried) else _wait_s(state),
            retry=retry_if_exception(lambda error: self._is_worth_it(error, pool)),
            sleep=asyncio.sleep,
            reraise=True,
        )
        return await retrying(Attempt.begin, self, pool)

    @property
    def left_s(self) -> float:
        """The seconds that are left."""
        return self.deadline - asyncio.get_running_loop().time()

    def _is_worth_it(self, error: BaseException, pool: Pool) -> bool:
        """Tell whether another attempt at the model may succeed."""
        return isinstance(error, CallFailed) and (
            error.transient or (error.elsewhere and pool.untried(self.tried))
        )


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One try: the pieces that come, and the lease and reservation that are ended exactly once."""

    call: Call
    lease: Lease
    reservation: Reservation
    pieces: AsyncIterator[str | ChatReply]
    began: float = field(default_factory=time.monotonic)
    first: str | ChatReply = ""
    ended: bool = field(default=False)

    @classmethod
    async def begin(cls, call: Call, pool: Pool) -> Attempt:
        """Find a deployment, reserve, start, and wait for the first piece.

        Raises:
            BudgetExceeded: the meter has not enough left.
            CallFailed: no deployment takes the call, or it failed.
        """
        call.attempts += 1
        tokens = expected_tokens(call.prompt_bound, call.request.max_tokens)
        try:
            async with asyncio.timeout_at(call.deadline):
                lease = await pool.lease(
                    call.request, tokens, within_s=call.left_s, tried=call.tried
                )
                if call.left_s <= 0:
                    lease.abandon()
                    raise TimeoutError
        except TimeoutError:
            raise CallFailed(timed_out(pool.name, call.timeout_s), unpaid=True) from None
        deployment = lease.deployment
        call.tried.add(deployment.name)
        try:
            began = time.monotonic()
            backend = await deployment.connect()
            # The first call imports LiteLLM or loads weights, which is not the model's slowness.
            call.deadline += time.monotonic() - began
            most = call.prompt_bound, call.request.max_tokens, call.left_s
            bound_usd = cost(deployment.price, *most)
            reservation = await _reserve(call.meter, bound_usd, pool.name)
        except ConfigurationError as error:
            lease.abandon()
            raise CallFailed(error, unpaid=True) from None
        except BaseException:
            lease.abandon()
            raise
        pieces = (backend.stream if call.streamed else _whole(backend))(call.request)
        attempt = cls(call=call, lease=lease, pieces=pieces, reservation=reservation)
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
            failed = CallFailed(timed_out(self.model, self.call.timeout_s), unpaid=False)
        except StopAsyncIteration:
            failed = CallFailed(
                BadModelOutput(f"Model {self.model!r} ended without a whole reply."),
                unpaid=False,
            )
        except CallboardError as error:
            failed = CallFailed(error, unpaid=isinstance(error, _REFUSALS))
        except BaseException:
            await self.abandon()
            raise
        else:
            self.lease.began()
            return await self._paid(piece) if isinstance(piece, ChatReply) else piece
        self.lease.failed(failed)
        await self._end(None if failed.unpaid else self._unknown)
        raise failed

    async def abandon(self) -> None:
        """Settle as unknown what was neither finished nor refused: cancelled, or not read on."""
        self.lease.abandon()
        await self._end(self._unknown)

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.lease.deployment.model

    @property
    def _unknown(self) -> Usage:
        """What an attempt used that never told: nothing is known but that free is free."""
        deployment = self.lease.deployment
        free = deployment.own_prices or (deployment.price is not None and deployment.price.free)
        return Usage(input_tokens=None, output_tokens=None, cost_usd=Decimal(0) if free else None)

    async def _paid(self, reply: ChatReply) -> ChatReply:
        self.lease.answered()
        deployment, usage = self.lease.deployment, reply.usage
        if not deployment.own_prices:
            used = usage.input_tokens, usage.output_tokens, time.monotonic() - self.began
            paid_usd = cost(deployment.price, *used)
            usage = replace(usage, cost_usd=paid_usd)
        await self._end(usage)
        if not reply.text.strip() and not reply.tool_calls:
            nothing = _said_nothing(self.model, reply)
            raise CallFailed(nothing, unpaid=False, elsewhere=False)
        if self.call.paid_unknown:
            usage = replace(usage, cost_usd=None)
        return replace(
            reply,
            model=deployment.settings.model,
            deployment=deployment.name,
            usage=usage,
            attempts=self.call.attempts,
        )

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


async def _reserve(meter: Meter, bound_usd: Decimal | None, model: str) -> Reservation:
    """Reserve; when cancelled on the way, give back what was reserved nevertheless."""
    reserving = asyncio.ensure_future(meter.reserve(bound_usd, model=model))
    try:
        return await asyncio.shield(reserving)
    except asyncio.CancelledError:
        with suppress(CallboardError):
            await meter.release(await reserving)
        raise


async def _finish(booking: Awaitable[T]) -> T:
    """Await a booking that a second cancellation must not tear apart."""
    return await asyncio.shield(asyncio.ensure_future(booking))


def _wait_s(state: RetryCallState) -> float:
    """Exponential backoff with full jitter, and never sooner than the endpoint asked for."""
    backoff = wait_random_exponential(multiplier=BACKOFF_S, max=BACKOFF_LIMIT_S)(state)
    failed = state.outcome.exception() if state.outcome else None
    asked = failed.retry_after_s if isinstance(failed, CallFailed) else None
    return backoff + (asked or 0.0)


def _whole(backend: ChatModel) -> Callable[[ChatRequest], AsyncIterator[str | ChatReply]]:
    async def pieces(request: ChatRequest) -> AsyncIterator[str | ChatReply]:
        yield await backend.complete(request)

    return pieces


def _said_nothing(model: str, reply: ChatReply) -> BadModelOutput:
    if reply.finish_reason == "length":
        fix = "It used up max_tokens before it wrote; allow more."
    elif reply.finish_reason == "content_filter":
        fix = "The endpoint's content filter removed its answer; ask something else."
    else:
        fix = "Ask again, or use another model."
    return BadModelOutput(f"Model {model!r} answered with nothing. {fix}")
