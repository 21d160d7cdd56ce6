"""The gateway: every call to a model goes through here, metered, timed, retried and priced.

The embedded model is reached over HTTP like any other.
"""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from ..errors import ConfigurationError, InvalidInput, UnknownName, nearest
from ..model_settings import (
    OPENAI_COMPATIBLE,
    DeploymentSettings,
    ModelChoice,
    ModelSettings,
    model_name,
)
from ..values import Meter, Scope, Usage, total_cost
from .addresses import AddressRule
from .answers import Answers, request_key
from .attempts import Call
from .breaker import Breaker
from .chat import ChatModel, ChatReply, ChatRequest
from .control import without_control_tokens
from .deployments import Deployment
from .embedded import EmbeddedServer
from .failures import CallFailed, Target
from .litellm_endpoint import LiteLLMEndpoint, close_clients, load_litellm
from .load import Load
from .pool import Pool
from .prices import FREE, PriceBook, cost, input_bound
from .watch import Watch
from .weights import Weights

if TYPE_CHECKING:
    from aiohttp import ClientSession

    _Sessions: TypeAlias = weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, ClientSession]

SELF_HOSTED = tuple(one for one in OPENAI_COMPATIBLE if one != "openai/")
"""Providers that LiteLLM would look for at OpenAI's address when no `api_base` is set."""

NO_KEY = "none"
"""Sent where no key is set, or LiteLLM would send the key of OPENAI_API_KEY to any api_base."""


class Gateway:
    """Asks the configured models.

    `replacements` answer in the place of models with these names: scripts in tests, or a
    `ChatModel` of the user's own. `addresses` says where models may be that no setting names: the
    endpoints of agents; None: anywhere. `close` it on the event loop that it was used on.
    """

    _open: ClassVar[weakref.WeakSet[Gateway]] = weakref.WeakSet()

    def __init__(
        self,
        models: Mapping[str, ModelSettings],
        *,
        prices: PriceBook,
        cache_dir: Path,
        replacements: Mapping[str, ChatModel] | None = None,
        addresses: AddressRule | None = None,
    ) -> None:
        self._models = dict(models)
        self._addresses = addresses
        self._prices = prices
        self._weights = Weights(cache_dir)
        self._replacements = dict(replacements or {})
        self._pools: dict[tuple[str, str], Pool] = {}
        self._answers: dict[str, Answers] = {}
        self._watch = Watch()
        self._servers: dict[str, EmbeddedServer] = {}
        self._starting = threading.Lock()
        self._loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        self._sessions: dict[AddressRule | None, _Sessions]
        self._sessions = {rule: weakref.WeakKeyDictionary() for rule in (None, addresses)}
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

        Those of a ladder cost what they cost at all its rungs, which is the most.

        Raises:
            UnknownName: no model has this name.
        """
        prices = (self.pool(r).deployments[0].price for r in self.settings(name).ladder or (name,))
        return total_cost(
            Usage(cost_usd=cost(price, input_tokens, output_tokens)) for price in prices
        )

    def pool(self, model: ModelChoice) -> Pool:
        """Return the deployments of a model.

        Raises:
            UnknownName: no model has this name.
            InvalidInput: it is a ladder, whose rungs have deployments.
        """
        settings, name = self.settings(model), model_name(model)
        if settings.ladder:
            raise InvalidInput(
                f"{name!r} is a ladder, which is climbed within a run. Name one of its rungs: "
                f"{', '.join(settings.ladder)}."
            )
        key = name, "" if isinstance(model, str) else settings.model_dump_json()
        pool = self._pools.get(key)
        if pool is None:
            base = self._adapted(name) if isinstance(model, str) else None
            beside = self.pool(base) if base is not None else None
            rule = None if isinstance(model, str) else self._addresses
            pool = self._pools[key] = Pool(
                name,
                settings,
                [
                    self._deployment(name, at, one, beside, rule)
                    for at, one in settings.served().items()
                ],
                beside=beside,
            )
        return pool

    def add(self, model: str, deployment: DeploymentSettings) -> None:
        """Let a deployment take calls of a model and of its adapters, in this process.

        Raises:
            UnknownName: no model has this name.
            InvalidInput: it has a deployment of this name, or is an adapter.
        """
        self._refuse_adapter(model)
        pool = self.pool(model)
        pool.add(self._deployment(model, deployment.name, pool.settings.at(deployment), None))
        for name in pool.settings.adapters:
            adapted = self.pool(f"{model}:{name}")
            at = adapted.settings.at(deployment.adapted(name))
            adapted.add(self._deployment(adapted.name, deployment.name, at, pool))

    async def drain(self, model: str, deployment: str) -> None:
        """Give a deployment of a model no new calls, wait for those that it has, and forget it.

        Raises:
            UnknownName: no model has this name, or it has no deployment of this one.
            InvalidInput: the model is an adapter.
        """
        self._refuse_adapter(model)
        drained = await self.pool(model).drain(deployment)
        for name in self.settings(model).adapters:
            self.pool(f"{model}:{name}").forget(drained)

    def forget(self) -> None:
        """Forget the answers that are given again; they are asked for anew."""
        for answers in self._answers.values():
            answers.forget()

    async def prepare(self) -> None:
        """Import what calls need, which takes seconds; the first call would wait for it."""
        served = [one for model in self._models.values() for one in model.served().values()]
        if any(one.direct for one in served):
            await asyncio.to_thread(_load_direct)
        if not all(one.direct for one in served):
            await asyncio.to_thread(load_litellm)

    async def ask(
        self,
        model: ModelChoice,
        request: ChatRequest,
        *,
        meter: Meter,
        on_text: Callable[[str], None] | None = None,
        scope: Scope | None = None,
    ) -> ChatReply:
        """Return the whole reply; with `on_text` it is streamed and each piece handed over.

        `scope` is whose call it is: where the model's settings say so, the answer to the same
        request of the same user is given again, at no cost.

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

        async def ask() -> ChatReply:
            streamed = on_text is not None
            async with aclosing(self._pieces(model, request, meter, streamed)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, ChatReply):
                        return piece
                    if on_text is not None:
                        on_text(piece)
            raise AssertionError("a call ends with a reply or an error")

        settings, name = self.settings(model), model_name(model)
        if scope is None or not settings.cache_s or request.temperature:
            return await ask()
        answers = self._answers.setdefault(name, Answers(settings.cache_s))
        whose = (scope.tenant, scope.user if settings.cache_scope == "user" else "")
        which = (settings.model, settings.api_base or "")
        key = request_key([*whose, *which], replace(request, timeout_s=None))
        reply = await answers.once(key, ask)
        if reply.cached and on_text is not None:
            on_text(reply.text)
        return reply

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
        for sessions in self._sessions.values():
            session = sessions.pop(loop, None)
            if session is not None:
                await session.close()
        if loop in self._loops and not any(loop in other._loops for other in Gateway._open):
            await close_clients(loop)
        self._loops.clear()

    async def _pieces(
        self, model: ModelChoice, request: ChatRequest, meter: Meter, streamed: bool
    ) -> AsyncGenerator[str | ChatReply, None]:
        started = time.perf_counter()
        pools = self._chain(model)
        timeout_s = request.timeout_s or pools[0].settings.timeout_s
        request = replace(request, messages=without_control_tokens(request.messages))
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

    def _refuse_adapter(self, model: str) -> None:
        base = self._adapted(model)
        if base is not None:
            raise InvalidInput(
                f"{model!r} is an adapter and has no servers of its own. Name {base!r}, whose "
                "servers it is on."
            )

    def _chain(self, model: ModelChoice) -> list[Pool]:
        """Return the deployments of a model, of its fallback, of that one's, and so on."""
        pools = [self.pool(model)]
        while (after := pools[-1].settings.fallback) is not None:
            pools.append(self.pool(after))
        return pools

    def _deployment(
        self,
        model: str,
        name: str,
        settings: ModelSettings,
        shared: Pool | None,
        rule: AddressRule | None = None,
    ) -> Deployment:
        """Make a deployment; one of an adapter shares health and load with that of its model.

        With a `rule` for its address, nothing else than its calls goes there.
        """
        replacement = self._replacements.get(model)
        price = settings.price or (FREE if replacement else self._prices.price(settings))

        async def connect() -> ChatModel:
            return replacement or await self._endpoint(model, settings, rule)

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
        if rule is None:
            deployment.opened = lambda: self._watch.follow(deployment)
        return deployment

    async def _endpoint(
        self, name: str, settings: ModelSettings, rule: AddressRule | None
    ) -> ChatModel:
        """Return the way to a model; the first one imports its library, off the event loop.

        Raises:
            InvalidInput: the `rule` for its address refuses it.
        """
        direct = settings.direct or rule is not None
        load = _load_direct if direct else load_litellm
        if not load.cache_info().currsize:
            await asyncio.to_thread(load)
        if direct:
            if rule is not None:
                rule.check(settings)
            target = Target(name, settings, settings.api_base, _key(settings))
            endpoint: ChatModel = _load_direct().DirectEndpoint(target, self._session(rule))
            return endpoint
        self._loops.add(asyncio.get_running_loop())
        if settings.embedded is None:
            return LiteLLMEndpoint(target_of(name, settings), settings.model)
        server = self._servers.get(name)
        if server is None:
            weights, context_tokens = settings.embedded, settings.context_tokens
            server = await asyncio.to_thread(self._serve, name, weights, context_tokens)
        target = Target(name, settings, server.api_base, server.api_key)
        return LiteLLMEndpoint(target, f"openai/{settings.embedded}")

    def _session(self, rule: AddressRule | None) -> ClientSession:
        """Return the HTTP client of this loop for direct endpoints, or for those under a rule."""
        loop, sessions = asyncio.get_running_loop(), self._sessions[rule]
        session = sessions.get(loop)
        if session is None:
            session = sessions[loop] = _load_direct().new_session(rule)
        return session

    def _serve(self, name: str, weights: str, context_tokens: int) -> EmbeddedServer:
        """Start the embedded model, or share the one that runs. Blocks; called in a thread."""
        with self._starting:
            if name not in self._servers:
                path = self._weights.path(weights)
                self._servers[name] = EmbeddedServer.shared(path, context_tokens=context_tokens)
            return self._servers[name]


@lru_cache(maxsize=1)
def _load_direct() -> Any:
    """Import the way without LiteLLM, whose HTTP client takes a moment."""
    return import_module(f"{__package__}.direct")


def _key(settings: ModelSettings) -> str | None:
    secret = settings.api_key
    return secret.get_secret_value() if secret is not None else None


def target_of(name: str, settings: ModelSettings) -> Target:
    """Return where a model is called.

    Raises:
        ConfigurationError: it has no address, or the variable that holds its key is not set.
    """
    key = _key(settings)
    if settings.api_base is None and settings.model.startswith(SELF_HOSTED):
        raise ConfigurationError(
            f"Model {name!r} ({settings.model}) has no address. Set api_base in [models.{name}], "
            "for example 'http://127.0.0.1:8000/v1'."
        )
    if key is None and settings.api_base is not None:
        key = NO_KEY
    return Target(name, settings, settings.api_base, key)
