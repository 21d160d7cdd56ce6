"""Whether the configured models work: each is called once with a tiny prompt."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from ..errors import CallboardError
from ..values import Meter, Usage
from .chat import ChatRequest, Message
from .gateway import Gateway

REQUEST = ChatRequest(
    messages=(Message(role="user", content="Answer with the word: yes"),), max_tokens=64
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCheck:
    """How one model did. `error` tells what is wrong and how to mend it, None if it works."""

    name: str
    model: str
    ok: bool
    latency_s: float
    usage: Usage
    error: str | None = None


async def check_models(gateway: Gateway, meter: Meter) -> tuple[ModelCheck, ...]:
    """Call all models, side by side, and say what works; no failure is raised."""
    return tuple(await asyncio.gather(*(_check(gateway, meter, n) for n in gateway.names())))


async def _check(gateway: Gateway, meter: Meter, name: str) -> ModelCheck:
    started = time.perf_counter()
    model = gateway.settings(name).model
    try:
        reply = await gateway.ask(name, REQUEST, meter=meter)
    except CallboardError as error:
        return ModelCheck(
            name=name,
            model=model,
            ok=False,
            latency_s=time.perf_counter() - started,
            usage=Usage(),
            error=str(error),
        )
    return ModelCheck(name=name, model=model, ok=True, latency_s=reply.latency_s, usage=reply.usage)
