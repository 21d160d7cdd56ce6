"""`board.sessions`: the conversations of users."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..records import Session
from ..store.sessions import unknown_session
from ..values import Scope

if TYPE_CHECKING:
    from .house import House

MAX_TITLE = 120
"""Characters of a title; the rest is cut off."""


class BoardSessions:
    """The sessions of a Board. Methods come in two forms: async and `*_sync`."""

    def __init__(self, house: Callable[[], House], tenant: Scope) -> None:
        self._house = house
        self._tenant = tenant.tenant

    async def list(
        self, *, text: str = "", limit: int = 50, user: str = "local"
    ) -> tuple[Session, ...]:
        """Return the user's sessions, the one asked in last first.

        With `text` those alone in whose title, queries or answers it stands.
        """
        return await asyncio.to_thread(self.list_sync, text=text, limit=limit, user=user)

    def list_sync(
        self, *, text: str = "", limit: int = 50, user: str = "local"
    ) -> tuple[Session, ...]:
        """`list`, for code that is not async."""
        scope = Scope(tenant=self._tenant, user=user)
        return self._house().store.sessions.list(scope, text=text, limit=limit)

    async def rename(self, session: str, title: str, *, user: str = "local") -> None:
        """Call a session `title`; an empty one lets its first query name it again.

        Raises:
            UnknownName: the user has no such session.
        """
        await asyncio.to_thread(self.rename_sync, session, title, user=user)

    def rename_sync(self, session: str, title: str, *, user: str = "local") -> None:
        """`rename`, for code that is not async."""
        scope = Scope(tenant=self._tenant, user=user, session=session)
        self._house().store.sessions.rename(scope, " ".join(title.split())[:MAX_TITLE])

    async def delete(self, session: str, *, user: str = "local") -> int:
        """Delete a session with its runs and what is remembered of it; return how many runs.

        Runs that go on are stopped first. What they cost stays in the ledger: it was paid.

        Raises:
            UnknownName: the user has no such session.
        """
        house = self._house()
        return await house.loop.wait_async(self._delete(house, session, user))

    def delete_sync(self, session: str, *, user: str = "local") -> int:
        """`delete`, for code that is not async."""
        house = self._house()
        return house.loop.wait(self._delete(house, session, user))

    async def _delete(self, house: House, session: str, user: str) -> int:
        scope = Scope(tenant=self._tenant, user=user, session=session)
        store, conductor = house.store, await house.conductor()
        for run_id in await store.call(store.sessions.going, scope):
            await conductor.cancel(scope, run_id)
            await conductor.wait(run_id)
        memory = await house.memory()
        await memory.delete_all(scope)
        deleted = await store.call(store.sessions.delete, scope)
        if not deleted:
            raise unknown_session(scope)
        return deleted
