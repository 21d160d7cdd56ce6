"""Looks after deployments that were left alone: whether their servers answer again."""

from __future__ import annotations

import asyncio

import httpx

from ..errors import ConfigurationError
from .deployments import Deployment

PROBE_TIMEOUT_S = 3.0
BROKEN = 500
"""From this status on a server is not well; a wrong key or path shows that it is there."""


class Watch:
    """Probes deployments whose breaker has opened, after each cooldown, until they are well.

    A probe lists the models (`GET api_base/models`), which costs no tokens. While it fails no call
    is spent on finding out; once it succeeds the next call decides. Hosted APIs without an
    `api_base` are not probed.
    """

    def __init__(self) -> None:
        self._following: dict[int, asyncio.Task[None]] = {}

    def follow(self, deployment: Deployment) -> None:
        """Watch a deployment until it is well."""
        key = id(deployment.breaker)
        if deployment.settings.api_base is None or key in self._following:
            return
        task = asyncio.get_running_loop().create_task(_until_well(deployment))
        self._following[key] = task
        task.add_done_callback(lambda _: self._following.pop(key, None))

    async def close(self) -> None:
        """Watch nothing any more."""
        tasks = list(self._following.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def answers(deployment: Deployment) -> bool:
    """Tell whether the server of a deployment answers at all."""
    settings = deployment.settings
    url = f"{(settings.api_base or '').rstrip('/')}/models"
    try:
        key = settings.api_key
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        # Reading the certificates takes 30 ms, which plain HTTP needs not pay.
        verify = url.startswith("https:")
        async with httpx.AsyncClient(timeout=PROBE_TIMEOUT_S, verify=verify) as client:
            response = await client.get(url, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL, ConfigurationError):
        return False
    return response.status_code < BROKEN


async def _until_well(deployment: Deployment) -> None:
    breaker = deployment.breaker
    while breaker.health != "closed":
        await asyncio.sleep(breaker.wait_s())
        if breaker.wait_s():
            continue  # a call was let through meanwhile, and opened it again or goes on
        if await answers(deployment):
            return
        breaker.rest(deployment.settings.cooldown_s)
