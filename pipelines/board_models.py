"""`board.models`: the models, the deployments that serve them, and whether they are well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from ..model_settings import DeploymentSettings
from ..records import Audit, DeploymentState
from ..values import Scope

if TYPE_CHECKING:
    from ..models.check import ModelCheck
    from ..models.deployments import Deployment
    from ..models.measure import Throughput
    from .house import House


class BoardModels:
    """The models of a Board. Methods come in two forms: async and `*_sync`.

    What is added or drained holds in this process, until it ends; settings hold for all.
    """

    def __init__(self, house: Callable[[], House], tenant: Scope) -> None:
        self._house = house
        self._tenant = tenant

    async def check(self) -> tuple[ModelCheck, ...]:
        """Call each configured model once, and say what works."""
        house = self._house()
        return await house.loop.wait_async(house.check_models(self._tenant))

    def check_sync(self) -> tuple[ModelCheck, ...]:
        """`check`, for code that is not async."""
        house = self._house()
        return house.loop.wait(house.check_models(self._tenant))

    async def measure(self, name: str, *, at_once: int = 16, calls: int = 64) -> Throughput:
        """Return how many tokens a second a model reads and writes with so many calls at once.

        It makes `calls` calls of each kind, which cost what they cost.

        Raises:
            UnknownName: no model has this name.
            BudgetExceeded: a daily limit does not allow it.
            ModelUnavailable: a call failed, or the endpoint tells no usage.
        """
        house = self._house()
        return await house.loop.wait_async(house.measure_model(self._tenant, name, at_once, calls))

    def measure_sync(self, name: str, *, at_once: int = 16, calls: int = 64) -> Throughput:
        """`measure`, for code that is not async."""
        house = self._house()
        return house.loop.wait(house.measure_model(self._tenant, name, at_once, calls))

    async def audit(self, *, since: datetime | None = None, user: str | None = None) -> Audit:
        """Compare the reasoning tokens that providers billed with what was usual before.

        Args:
            since: calls from then on are audited, and those before tell what is usual; with a time
                zone. None: a week ago.
            user: of whose runs; None: of all users'.
        """
        house = self._house()
        return await house.loop.wait_async(self._audit(house, user, since))

    def audit_sync(self, *, since: datetime | None = None, user: str | None = None) -> Audit:
        """`audit`, for code that is not async."""
        house = self._house()
        return house.loop.wait(self._audit(house, user, since))

    async def deployments(self) -> tuple[DeploymentState, ...]:
        """Return the deployments of all models as they stand now, in the order of the settings."""
        house = self._house()
        return await house.loop.wait_async(_states(house))

    def deployments_sync(self) -> tuple[DeploymentState, ...]:
        """`deployments`, for code that is not async."""
        house = self._house()
        return house.loop.wait(_states(house))

    async def add(self, model: str, deployment: DeploymentSettings) -> None:
        """Let a deployment take calls of a model, and of its adapters, from now on.

        Raises:
            UnknownName: no model has this name.
            InvalidInput: it has a deployment of this name, or is an adapter.
        """
        house = self._house()
        await house.loop.wait_async(_add(house, model, deployment))

    def add_sync(self, model: str, deployment: DeploymentSettings) -> None:
        """`add`, for code that is not async."""
        house = self._house()
        house.loop.wait(_add(house, model, deployment))

    async def drain(self, model: str, deployment: str) -> None:
        """Give a deployment no new calls, wait for those that it has, and forget it.

        Raises:
            UnknownName: no model, or no deployment of it, has this name.
            InvalidInput: the model is an adapter, and has none of its own.
        """
        house = self._house()
        await house.loop.wait_async(house.gateway.drain(model, deployment))

    def drain_sync(self, model: str, deployment: str) -> None:
        """`drain`, for code that is not async."""
        house = self._house()
        house.loop.wait(house.gateway.drain(model, deployment))

    async def _audit(self, house: House, user: str | None, since: datetime | None) -> Audit:
        scope = self._tenant if user is None else replace(self._tenant, user=user)
        return await house.audit_reasoning(scope, everyone=user is None, since=since)


async def _states(house: House) -> tuple[DeploymentState, ...]:
    gateway = house.gateway
    names = [name for name in gateway.names() if not gateway.settings(name).ladder]
    return tuple(_state(one) for name in names for one in gateway.pool(name).deployments)


async def _add(house: House, model: str, deployment: DeploymentSettings) -> None:
    house.gateway.add(model, deployment)


def _state(one: Deployment) -> DeploymentState:
    return DeploymentState(
        model=one.model,
        name=one.name,
        serves=one.settings.model,
        api_base=one.settings.api_base,
        health=one.breaker.health,
        draining=one.draining,
        requests=one.load.requests,
        tokens=one.load.tokens,
        last_failure=one.last_failure,
    )
