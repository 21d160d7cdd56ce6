"""How many tokens a model reads and writes a second when it is busy: what a rented GPU costs each.

Two loads, one after the other: long prompts with one token of answer, and short prompts with long
answers. Prompts differ from their first words on, so that no prefix cache helps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from uuid import uuid4

from ..errors import ModelUnavailable
from ..model_settings import PriceSettings
from ..values import Meter, Usage
from .chat import ChatRequest, Message
from .gateway import Gateway

LONG_WORDS = 700
WRITTEN_TOKENS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Tokens a second over all calls at once, and how many calls that was measured with."""

    model: str
    at_once: int
    calls: int
    input_tokens_per_second: float
    output_tokens_per_second: float

    def price(self, gpu_per_hour: Decimal) -> PriceSettings:
        """Return what a token costs on GPUs of this price, all that serve the model together."""
        return PriceSettings(
            gpu_per_hour=gpu_per_hour,
            input_tokens_per_second=Decimal(f"{self.input_tokens_per_second:.1f}"),
            output_tokens_per_second=Decimal(f"{self.output_tokens_per_second:.1f}"),
        )


async def measure(
    gateway: Gateway, model: str, meter: Meter, *, at_once: int, calls: int
) -> Throughput:
    """Call a model `calls` times for each load, `at_once` of them side by side.

    Raises:
        ModelUnavailable: a call failed, or the endpoint tells no usage.
    """
    reading = await _load(gateway, model, meter, at_once, calls, _reading)
    writing = await _load(gateway, model, meter, at_once, calls, _writing)
    return Throughput(
        model=model,
        at_once=at_once,
        calls=calls,
        input_tokens_per_second=reading[0],
        output_tokens_per_second=writing[1],
    )


def _reading() -> ChatRequest:
    words = " ".join(f"{uuid4().hex[:6]} the" for _ in range(LONG_WORDS // 2))
    return ChatRequest(messages=(Message(role="user", content=words),), max_tokens=1)


def _writing() -> ChatRequest:
    text = f"Number {uuid4().int % 10_000}. Tell a long story about it, and do not stop early."
    return ChatRequest(
        messages=(Message(role="user", content=text),), max_tokens=WRITTEN_TOKENS, temperature=1.0
    )


async def _load(
    gateway: Gateway,
    model: str,
    meter: Meter,
    at_once: int,
    calls: int,
    request: Callable[[], ChatRequest],
) -> tuple[float, float]:
    room = asyncio.Semaphore(at_once)

    async def one() -> Usage:
        async with room:
            return (await gateway.ask(model, request(), meter=meter)).usage

    await one()  # opens connections, loads what is loaded once
    began = time.perf_counter()
    used = await asyncio.gather(*(one() for _ in range(calls)))
    took_s = time.perf_counter() - began
    read, written = 0, 0
    for usage in used:
        if usage.input_tokens is None or usage.output_tokens is None:
            raise ModelUnavailable(
                f"Model {model!r} does not tell how many tokens it used, so that its throughput "
                "can't be measured. Let its server report usage."
            )
        read, written = read + usage.input_tokens, written + usage.output_tokens
    return read / took_s, written / took_s
