"""`board.changes`: the audit log, of who asked for what change and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import CallboardError
from ..records import ApiKey, Change
from ..values import JSON, Scope

if TYPE_CHECKING:
    from .house import House


class BoardChanges:
    """The audit log of a tenant. Nothing in it is ever changed or deleted."""

    def __init__(self, house: Callable[[], House], tenant: Scope) -> None:
        self._house = house
        self._tenant = tenant

    async def list(self, *, limit: int = 50, before: str | None = None) -> tuple[Change, ...]:
        """Return the last entries, the newest first; `before` ended the page before.

        Raises:
            UnknownName: there is no entry `before`.
        """
        return await asyncio.to_thread(self.list_sync, limit=limit, before=before)

    def list_sync(self, *, limit: int = 50, before: str | None = None) -> tuple[Change, ...]:
        """`list`, for code that is not async."""
        return self._house().store.changes.list(self._tenant, limit=limit, before=before)

    @contextmanager
    def noted(
        self,
        action: str,
        object_: str,
        *,
        key: ApiKey | None = None,
        user: str = "local",
        detail: JSON = None,
    ) -> Iterator[None]:
        """Write a change down before the block that makes it, and after it what became of it.

        `key` asked for it; None: `user` did, who needs none.
        """
        changes = self._house().store.changes
        scope = replace(self._tenant, user=key.scope.user if key else user)
        entry = changes.asked(scope, key.id if key else None, action, object_, detail)
        try:
            yield
        except CallboardError as error:
            changes.ended(entry, str(error))
            raise
        changes.ended(entry, None)
