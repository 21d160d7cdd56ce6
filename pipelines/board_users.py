"""`board.users`: what is kept of a user, to be handed over or forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..records import Forgotten
from ..values import JSON, Scope
from .forgetting import forget

if TYPE_CHECKING:
    from .house import House


class BoardUsers:
    """The users of a Board. Methods come in two forms: async and `*_sync`.

    `tenant` is whose user is meant; None: the Board's own.
    """

    def __init__(self, house: Callable[[], House], tenant: Scope) -> None:
        self._house = house
        self._tenant = tenant

    async def forget(self, user: str, *, tenant: str | None = None) -> Forgotten:
        """Forget a user for good: stop their runs, and delete all that is kept of them.

        Runs, feedback, sessions, memory and vectors go, in every table that there is, and then it
        is looked whether anything is left. Agents that the user registered stay, and so does what
        calls cost; the user's name on them goes. What this process remembers goes at once, what
        others do within seconds.

        Raises:
            InvalidInput: the name is no user's.
            StoreError: something is left, because the user asks on and on.
        """
        house, scope = self._house(), self._scope(user, tenant)
        return await house.loop.wait_async(forget(house, scope))

    def forget_sync(self, user: str, *, tenant: str | None = None) -> Forgotten:
        """`forget`, for code that is not async."""
        house, scope = self._house(), self._scope(user, tenant)
        return house.loop.wait(forget(house, scope))

    async def export(self, user: str, *, tenant: str | None = None) -> JSON:
        """Return all that is kept of a user as JSON: `tables` holds the rows by table.

        Embeddings are left out: they are made of the texts.
        """
        return await asyncio.to_thread(self.export_sync, user, tenant=tenant)

    def export_sync(self, user: str, *, tenant: str | None = None) -> JSON:
        """`export`, for code that is not async."""
        scope = self._scope(user, tenant)
        return {
            "tenant": scope.tenant,
            "user": scope.user,
            "exported_at": datetime.now(UTC).isoformat(),
            "tables": self._house().store.users.export(scope),
        }

    def _scope(self, user: str, tenant: str | None) -> Scope:
        return replace(self._tenant, tenant=tenant or self._tenant.tenant, user=user)
