"""The deployments of one model, and who of them takes a call: health, limits, then placement."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress

from ..errors import InvalidInput, ModelUnavailable, UnknownName, nearest
from ..model_settings import ModelSettings
from .chat import ChatRequest
from .deployments import Deployment, Lease
from .failures import CallFailed
from .placement.choice import placement_of
from .placement.prompts import Prompt


class Pool:
    """The deployments of the model `name`. Used on one event loop.

    An adapter's pool is `beside` that of its model: a call that ends in one makes room in both.
    """

    def __init__(
        self,
        name: str,
        settings: ModelSettings,
        deployments: Iterable[Deployment],
        *,
        beside: Pool | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self._deployments = {one.name: one for one in deployments}
        self._placement = placement_of(settings)
        self._line: asyncio.Lock = beside._line if beside else asyncio.Lock()
        self._changed: asyncio.Event = beside._changed if beside else asyncio.Event()

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """All deployments, in the order of the settings."""
        return tuple(self._deployments.values())

    async def lease(
        self, request: ChatRequest, tokens: int, *, within_s: float, tried: Collection[str] = ()
    ) -> Lease:
        """Wait until a deployment may take the call, first come first served, and let it in.

        `tokens` are those of the prompt and the answer; who was not `tried` yet comes first.

        Raises:
            CallFailed: all of them rest after failures, are being drained, or want no calls
                for longer than `within_s`.
        """
        async with self._line:
            while True:
                open_now = self._open(request, tokens)
                fresh = [one for one in open_now if one.name not in tried] or open_now
                free = [one for one in fresh if one.load.free(tokens)]
                if free:
                    chosen = self._chosen(request, free)
                    return Lease(chosen, tokens, tokens - request.max_tokens, self._changed.set)
                self._refuse_long_waits(fresh, within_s)
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(one.load.wait_s() for one in fresh)):
                        await self._changed.wait()

    def _chosen(self, request: ChatRequest, free: Sequence[Deployment]) -> Deployment:
        if len(self._deployments) == 1:
            return free[0]
        return self._placement.choose(Prompt.of(request), free)

    def untried(self, tried: Collection[str]) -> bool:
        """Tell whether a deployment that may be called was not tried yet."""
        return any(
            one.name not in tried and not one.draining and not one.breaker.wait_s()
            for one in self.deployments
        )

    def add(self, deployment: Deployment) -> None:
        """Let a deployment take calls from now on; one that is being drained takes them again.

        Raises:
            InvalidInput: there is one of this name.
        """
        there = self._deployments.get(deployment.name)
        if there is not None and not there.draining:
            raise InvalidInput(
                f"Model {self.name!r} has a deployment {deployment.name!r} already. Drain that "
                "one first, or choose another name."
            )
        self._deployments[deployment.name] = deployment
        self._changed.set()

    async def drain(self, name: str) -> Deployment:
        """Give a deployment no new calls, wait for those that it has, and forget it; return it.

        Raises:
            UnknownName: there is none of this name.
        """
        deployment = self._deployments.get(name)
        if deployment is None:
            raise UnknownName(
                f"Model {self.name!r} has no deployment {name!r}{nearest(name, self._deployments)}"
            )
        deployment.load.draining = True
        while deployment.load.requests:
            self._changed.clear()
            await self._changed.wait()
        self.forget(deployment)
        return deployment

    def forget(self, deployment: Deployment) -> None:
        """Forget a deployment that was drained, unless another of its name has come."""
        name = deployment.name
        there = self._deployments.get(name)
        if there is not None and there.load is deployment.load:
            del self._deployments[name]
            self._placement.leave(name)

    def _refuse_long_waits(self, deployments: Sequence[Deployment], within_s: float) -> None:
        wait_s = min(one.load.paused_s() for one in deployments)
        if wait_s > within_s:
            raise CallFailed(
                ModelUnavailable(
                    f"Model {self.name!r} is over its rate limit for {wait_s:.0f} s more. Try "
                    "again later, or use another model.",
                    transient=True,
                ),
                unpaid=True,
                retry_after_s=wait_s,
            )

    def _open(self, request: ChatRequest, tokens: int) -> list[Deployment]:
        """Return those that are not drained and not resting, the able ones if there are any."""
        there = [one for one in self.deployments if not one.draining]
        if not there:
            raise CallFailed(
                ModelUnavailable(
                    f"Model {self.name!r} has no deployment that takes calls: all are drained. "
                    "Add one."
                ),
                unpaid=True,
            )
        able = [one for one in there if one.can(request, tokens)] or there
        awake = [one for one in able if not one.breaker.wait_s()]
        if not awake:
            first = min(able, key=lambda one: one.breaker.wait_s())
            raise CallFailed(
                ModelUnavailable(
                    f"Model {self.name!r} is left alone for {first.breaker.wait_s():.1f} s more, "
                    f"because it failed again and again: {first.last_failure}"
                ),
                unpaid=True,
            )
        return awake
