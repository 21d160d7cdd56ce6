"""Whether the configured models work: each deployment is called once with a tiny prompt."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from ..errors import CallboardError
from ..model_settings import ModelChoice
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
    """Call all deployments, side by side, and say what works; no failure is raised.

    One of several is called `main/NAME`. A ladder is no endpoint: its rungs are called.
    """
    asked: dict[str, ModelChoice] = {}
    for name in gateway.names():
        settings = gateway.settings(name)
        if settings.ladder:
            continue
        if settings.deployments:
            asked |= {f"{name}/{one}": at for one, at in settings.served().items()}
        else:
            asked[name] = name
    checks = (_check(gateway, meter, name, model) for name, model in asked.items())
    return tuple(await asyncio.gather(*checks))


async def _check(gateway: Gateway, meter: Meter, name: str, choice: ModelChoice) -> ModelCheck:
    started = time.perf_counter()
    model = gateway.settings(choice).model
    try:
        reply = await gateway.ask(choice, REQUEST, meter=meter)
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
