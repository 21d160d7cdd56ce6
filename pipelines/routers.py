"""The routers of the tenants: each learns from the agents and the feedback of its own tenant."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from ..router.router import Router

MOST = 64
"""Tenants whose routers are kept; those of the least recent ones are built again when they ask."""


class Routers:
    """One router for each tenant that asked of late. Used on the Board's loop only."""

    def __init__(self, make: Callable[[str], Router], *, most: int = MOST) -> None:
        self._make = make
        self._most = most
        self._routers: OrderedDict[str, Router] = OrderedDict()
        self._leaving: set[asyncio.Task[None]] = set()

    def of(self, tenant: str) -> Router:
        """Return the router of a tenant."""
        router = self._routers.pop(tenant, None) or self._make(tenant)
        self._routers[tenant] = router
        if len(self._routers) > self._most:
            _, oldest = self._routers.popitem(last=False)
            # It stops learning; queries that it still has are answered.
            leaving = asyncio.create_task(oldest.close())
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
        return router

    def forget(self) -> None:
        """Forget users' words, of all tenants."""
        for router in self._routers.values():
            router.forget()

    async def close(self) -> None:
        """Stop all learning."""
        await asyncio.gather(*self._leaving, *(one.close() for one in self._routers.values()))
