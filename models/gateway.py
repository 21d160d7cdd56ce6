"""The gateway: every call to a model goes through here, metered, timed, retried and priced.

The only module that imports LiteLLM. The embedded model is reached over HTTP like any other.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import threading
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from ..errors import ConfigurationError, UnknownName, nearest
from ..model_settings import DeploymentSettings, ModelChoice, ModelSettings, model_name
from ..values import Meter
from .attempts import Call
from .breaker import Breaker
from .chat import ChatModel, ChatReply, ChatRequest, TokenLogprobs
from .deployments import Deployment
from .embedded import EmbeddedServer
from .failures import CallFailed, Target, broken_off, describe, unreadable
from .load import Load
from .pool import Pool
from .prices import FREE, PriceBook, cost, input_bound
from .watch import Watch
from .weights import Weights
from .wire import logprobs, parameters, reply, usage

HTTP_TIMEOUT_S = 86_400.0
"""LiteLLM makes one HTTP client per timeout, so it always gets this one; deadlines are ours."""

SELF_HOSTED = ("hosted_vllm/", "lm_studio/", "llamafile/", "openai_like/", "custom_openai/")
"""Providers that LiteLLM would look for at OpenAI's address when no `api_base` is set."""

NO_KEY = "none"
"""Sent where no key is set, or LiteLLM would send the key of OPENAI_API_KEY to any api_base."""


class Gateway:
    """Asks the configured models.

    `replacements` answer in the place of models with these names: scripts in tests, or a
    `ChatModel` of the user's own. `close` it on the event loop that it was used on.
    """

    _open: ClassVar[weakref.WeakSet[Gateway]] = weakref.WeakSet()

    def __init__(
        self,
        models: Mapping[str, ModelSettings],
        *,
        prices: PriceBook,
        cache_dir: Path,
        replacements: Mapping[str, ChatModel] | None = None,
    ) -> None:
        self._models = dict(models)
        self._prices = prices
        self._weights = Weights(cache_dir)
        self._replacements = dict(replacements or {})
        self._pools: dict[tuple[str, str], Pool] = {}
        self._watch = Watch()
        self._servers: dict[str, EmbeddedServer] = {}
        self._starting = threading.Lock()
        self._loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        for name in self._replacements:
            self.settings(name)
        Gateway._open.add(self)

    def names(self) -> tuple[str, ...]:
        """Return the names of the models."""
        return tuple(self._models)

    def settings(self, name: ModelChoice) -> ModelSettings:
        """Return the settings of a model.

        Raises:
            UnknownName: no model has this name.
        """
        if isinstance(name, ModelSettings):
            return name
        found = self._models.get(name)
        if found is None:
            raise UnknownName(
                f"There is no model {name!r}{nearest(name, self._models)} "
                f"Configured: {', '.join(sorted(self._models))}."
            )
        return found

    def cost_usd(self, name: str, input_tokens: int, output_tokens: int) -> Decimal | None:
        """Return what so many tokens cost at a model, or None where its price is unknown.

        Raises:
            UnknownName: no model has this name.
        """
        return cost(self.pool(name).deployments[0].price, input_tokens, output_tokens)

    def pool(self, model: ModelChoice) -> Pool:
        """Return the deployments of a model.

        Raises:
            UnknownName: no model has this name.
        """
        settings, name = self.settings(model), model_name(model)
        key = name, "" if isinstance(model, str) else settings.model_dump_json()
        pool = self._pools.get(key)
        if pool is None:
            base = self._adapted(name) if isinstance(model, str) else None
            beside = self.pool(base) if base is not None else None
            pool = self._pools[key] = Pool(
                name,
                settings,
                [self._deployment(name, at, one, beside) for at, one in settings.served().items()],
                beside=beside,
            )
        return pool

    def add(self, model: str, deployment: DeploymentSettings) -> None:
        """Let a deployment take calls of a model from now on, in this process.

        Raises:
            UnknownName: no model has this name.
            InvalidInput: it has a deployment of this name.
        """
        at = self.settings(model).at(deployment)
        self.pool(model).add(self._deployment(model, deployment.name, at, None))

    async def prepare(self) -> None:
        """Import what calls need, which takes seconds; the first call would wait for it."""
        await asyncio.to_thread(_litellm)

    async def ask(
        self,
        model: ModelChoice,
        request: ChatRequest,
        *,
        meter: Meter,
        on_text: Callable[[str], None] | None = None,
    ) -> ChatReply:
        """Return the whole reply; with `on_text` it is streamed and each piece handed over.

        The reply's `latency_s` counts from asking to the end, its `cost_usd` covers all attempts.
        A deployment that fails is followed by another, and when all did by the model's `fallback`;
        once text was handed over there is no second try.

        Raises:
            UnknownName: no model has this name.
            BudgetExceeded: the meter has not enough left.
            TimedOut: no whole reply within `timeout_s` of the request, or else of the model.
            ModelUnavailable: it can't be reached, refused, or failed, after the retries.
            BadModelOutput: it answered with nothing, or with something that is no completion.
            InvalidInput: it refused this request, such as one that is too long.
            ConfigurationError: address, key, weights or provider are missing or wrong.
        """
        async with aclosing(self._pieces(model, request, meter, on_text is not None)) as pieces:
            async for piece in pieces:
                if isinstance(piece, ChatReply):
                    return piece
                if on_text is not None:
                    on_text(piece)
        raise AssertionError("a call ends with a reply or an error")

    def stream(
        self, model: ModelChoice, request: ChatRequest, *, meter: Meter
    ) -> AsyncIterator[str | ChatReply]:
        """Yield the text piece by piece, and at the end the whole reply. Raises like `ask`.

        Who stops reading early should `aclose` the iterator: that ends the call.
        """
        return self._pieces(model, request, meter, streamed=True)

    async def close(self) -> None:
        """Stop the embedded models that nobody else uses, and close connections of this loop."""
        Gateway._open.discard(self)
        await self._watch.close()
        with self._starting:
            servers, self._servers = list(self._servers.values()), {}
        for server in servers:
            await asyncio.to_thread(server.release)
        loop = asyncio.get_running_loop()
        if loop in self._loops and not any(loop in other._loops for other in Gateway._open):
            await _close_clients(loop)
        self._loops.clear()

    async def _pieces(
        self, model: ModelChoice, request: ChatRequest, meter: Meter, streamed: bool
    ) -> AsyncGenerator[str | ChatReply, None]:
        started = time.perf_counter()
        pools = self._chain(model)
        timeout_s = request.timeout_s or pools[0].settings.timeout_s
        call = Call(
            pools=pools,
            request=request,
            prompt_bound=input_bound(request),
            streamed=streamed,
            meter=meter,
            timeout_s=timeout_s,
            deadline=asyncio.get_running_loop().time() + timeout_s,
        )
        try:
            attempt = await call.open()
            piece = attempt.first
            try:
                while not isinstance(piece, ChatReply):
                    yield piece
                    piece = await attempt.next()
            finally:
                await attempt.abandon()
        except CallFailed as failed:
            # Without its causes: what LiteLLM raised may hold the key.
            failed.__context__ = None
            raise failed.error from None
        yield replace(piece, latency_s=time.perf_counter() - started)

    def _adapted(self, name: str) -> str | None:
        """Return the model of which `name` is an adapter."""
        base, _, adapter = name.rpartition(":")
        there = self._models.get(base)
        return base if there is not None and adapter in there.adapters else None

    def _chain(self, model: ModelChoice) -> list[Pool]:
        """Return the deployments of a model, of its fallback, of that one's, and so on."""
        pools = [self.pool(model)]
        while (after := pools[-1].settings.fallback) is not None:
            pools.append(self.pool(after))
        return pools

    def _deployment(
        self, model: str, name: str, settings: ModelSettings, shared: Pool | None
    ) -> Deployment:
        """Make a deployment; one of an adapter shares health and load with that of its model."""
        replacement = self._replacements.get(model)
        price = settings.price or (FREE if replacement else self._prices.price(settings))

        async def connect() -> ChatModel:
            return replacement or await self._endpoint(model, settings)

        beside = (
            next((one for one in shared.deployments if one.name == name), None) if shared else None
        )
        deployment = Deployment(
            model=model,
            name=name,
            settings=settings,
            price=price,
            connect=connect,
            breaker=beside.breaker
            if beside
            else Breaker(failures=settings.failures, cooldown_s=settings.cooldown_s),
            load=beside.load if beside else Load(settings),
            own_prices=replacement is not None and settings.price is None,
        )
        deployment.opened = lambda: self._watch.follow(deployment)
        return deployment

    async def _endpoint(self, name: str, settings: ModelSettings) -> Endpoint:
        """Return the way to a model; the first one imports LiteLLM, off the event loop."""
        self._loops.add(asyncio.get_running_loop())
        if not _litellm.cache_info().currsize:
            await asyncio.to_thread(_litellm)
        if settings.embedded is None:
            return Endpoint(_target(name, settings), settings.model)
        server = self._servers.get(name)
        if server is None:
            weights, context_tokens = settings.embedded, settings.context_tokens
            server = await asyncio.to_thread(self._serve, name, weights, context_tokens)
        target = Target(name, settings, server.api_base, server.api_key)
        return Endpoint(target, f"openai/{settings.embedded}")

    def _serve(self, name: str, weights: str, context_tokens: int) -> EmbeddedServer:
        """Start the embedded model, or share the one that runs. Blocks; called in a thread."""
        with self._starting:
            if name not in self._servers:
                path = self._weights.path(weights)
                self._servers[name] = EmbeddedServer.shared(path, context_tokens=context_tokens)
            return self._servers[name]


class Endpoint:
    """One model behind LiteLLM, as a `ChatModel` whose every failure is a `CallFailed`."""

    def __init__(self, target: Target, model: str) -> None:
        self._target = target
        self._model = model

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Ask without streaming."""
        try:
            response = await _litellm().acompletion(**self._arguments(request))
            choice = response.choices[0]
            text, calls = choice.message.content or "", choice.message.tool_calls
            told = usage(response)
            return reply(self._model, text, calls, choice.finish_reason, told, logprobs(choice))
        except Exception as error:  # noqa: BLE001 - LiteLLM raises anything, IndexError included
            failed = describe(error, self._target)
        raise failed

    async def stream(self, request: ChatRequest) -> AsyncIterator[str | ChatReply]:
        """Ask, and yield the text as it comes."""
        arguments = self._arguments(request)
        # Without this option endpoints tell no usage at the end of a stream.
        arguments |= {"stream": True, "stream_options": {"include_usage": True}}
        pieces: list[str] = []
        tokens: list[TokenLogprobs] = []
        calls_tools = False
        try:
            response = await _litellm().acompletion(**arguments)
            try:
                async for chunk in response:
                    if not chunk.choices:
                        continue
                    delta = chunk.choices[0].delta
                    calls_tools |= bool(delta.tool_calls)
                    tokens += logprobs(chunk.choices[0])
                    if delta.content:
                        pieces.append(delta.content)
                        yield delta.content
            finally:
                await response.aclose()
            whole = self._streamed(response, "".join(pieces), calls_tools)
            whole = replace(whole, logprobs=tuple(tokens))
        except CallFailed as error:
            failed = error
        except Exception as error:  # noqa: BLE001 - as above
            failed = describe(error, self._target)
        else:
            yield whole
            return
        raise failed

    def _arguments(self, request: ChatRequest) -> dict[str, Any]:
        target = self._target
        arguments = {
            "model": self._model,
            "timeout": HTTP_TIMEOUT_S,
            "num_retries": 0,
            "max_retries": 0,
            # Some models take no temperature or stop; what must not be lost is in the settings.
            "drop_params": True,
            # Offered tools are never on an MCP server of LiteLLM's; looking needs its extra `mcp`.
            "_skip_mcp_handler": True,
            **parameters(request, target.settings),
        }
        if target.api_base is not None:
            arguments["api_base"] = target.api_base
        if target.api_key is not None:
            arguments["api_key"] = target.api_key
        return arguments

    def _streamed(self, response: Any, text: str, calls_tools: bool) -> ChatReply:
        """Return what was streamed as one reply.

        LiteLLM ends every stream with a finish reason and a usage, and makes them up where the
        endpoint sent none; `received_finish_reason` and the raw chunks are what it sent.
        """
        if response.received_finish_reason is None:
            raise broken_off(self._target) if text else unreadable(self._target, "no events")
        told = next((u for chunk in reversed(response.chunks) if (u := usage(chunk))), None)
        calls = None
        if calls_tools:
            calls = _litellm().stream_chunk_builder(response.chunks).choices[0].message.tool_calls
        return reply(self._model, text, calls, response.received_finish_reason, told)


def _target(name: str, settings: ModelSettings) -> Target:
    secret = settings.api_key
    key = secret.get_secret_value() if secret is not None else None
    if settings.api_base is None and settings.model.startswith(SELF_HOSTED):
        raise ConfigurationError(
            f"Model {name!r} ({settings.model}) has no address. Set api_base in [models.{name}], "
            "for example 'http://127.0.0.1:8000/v1'."
        )
    if key is None and settings.api_base is not None:
        key = NO_KEY
    return Target(name, settings, settings.api_base, key)


@lru_cache(maxsize=1)
def _litellm() -> Any:
    """Import LiteLLM, offline and quiet: no price map, no headers file, no .env, no banners."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS"] = "True"
    os.environ["LITELLM_DISABLE_BUG_REPORT_LINK"] = "true"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    os.environ.setdefault("LITELLM_LOG", "CRITICAL")
    import litellm

    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # What both load at their first calls would hold up the event loop for half a second.
    importlib.import_module("openai.resources.chat")
    prompt = [{"role": "user", "content": "x"}]
    litellm.completion(model="openai/none", messages=prompt, mock_response="x")
    list(litellm.completion(model="openai/none", messages=prompt, mock_response="x", stream=True))
    return litellm


async def _close_clients(loop: asyncio.AbstractEventLoop) -> None:
    """Close the HTTP clients that LiteLLM keeps for `loop`, process-wide, for up to an hour.

    Only the last gateway on a loop does so, because gateways share them.
    """
    cache = _litellm().in_memory_llm_clients_cache
    suffix = f"-{id(loop)}"
    for key in [key for key in cache.cache_dict if key.endswith(suffix)]:
        client = cache.cache_dict.pop(key)
        cache.ttl_dict.pop(key, None)
        close = getattr(client, "aclose", None) or getattr(client, "close", None)
        if close is not None:
            with suppress(OSError, RuntimeError):
                await close()
