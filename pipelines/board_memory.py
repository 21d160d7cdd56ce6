"""`board.memory`: what is remembered, as users of a Board look at it and mend it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict, TypeVar, Unpack

from ..memory.chunks import USER, USER_TRUST
from ..values import Remembered, Scope
from .remembering import DOCUMENT_TRUST, MemoryDesk, read_document

if TYPE_CHECKING:
    from .house import House

T = TypeVar("T")
Work: TypeAlias = Callable[[MemoryDesk, Scope], Awaitable[T]]
Document: TypeAlias = Path | str | tuple[str, bytes]
"""The path of a file, or its name and what it holds."""


class Whose(TypedDict, total=False):
    """Whose memory is meant.

    user: "local" by default; `EVERYONE` is the knowledge of the board, recalled for all users.
    session: that of one conversation alone.
    agent: what is for this agent alone, and told to no other.
    """

    user: str
    session: str | None
    agent: str | None


class BoardMemory:
    """The memory of a Board. Methods come in two forms: async, for any event loop, and `*_sync`."""

    def __init__(self, house: Callable[[], House], tenant: Scope) -> None:
        self._house = house
        self._tenant = tenant.tenant

    async def add(
        self,
        text: str,
        *,
        writer: str = USER,
        trust: float = USER_TRUST,
        valid_from: datetime | None = None,
        expires_at: datetime | None = None,
        **whose: Unpack[Whose],
    ) -> tuple[str, ...]:
        """Remember a text; return the ids of its pieces, of which a short text has one.

        Args:
            text: what is to be remembered.
            writer: whose words they are.
            trust: 0..1, how far they may be relied on.
            valid_from: it is not recalled before; with a time zone.
            expires_at: it is not recalled from then on; with a time zone.
            whose: see `Whose`.

        Raises:
            InvalidInput: there is no text, what was said with it is wrong, or memory is off.
        """
        return await self._async(
            lambda desk, scope: desk.add(
                scope,
                text,
                writer=writer,
                trust=trust,
                valid_from=valid_from,
                expires_at=expires_at,
            ),
            **whose,
        )

    def add_sync(
        self,
        text: str,
        *,
        writer: str = USER,
        trust: float = USER_TRUST,
        valid_from: datetime | None = None,
        expires_at: datetime | None = None,
        **whose: Unpack[Whose],
    ) -> tuple[str, ...]:
        """`add`, for code that is not async."""
        return self._sync(
            lambda desk, scope: desk.add(
                scope,
                text,
                writer=writer,
                trust=trust,
                valid_from=valid_from,
                expires_at=expires_at,
            ),
            **whose,
        )

    async def add_document(
        self, document: Document, *, trust: float = DOCUMENT_TRUST, **whose: Unpack[Whose]
    ) -> tuple[str, ...]:
        """Remember a file of Markdown, text, HTML or PDF; return the ids of its passages.

        Raises:
            InvalidInput: it can't be read, is too large or holds no text, or memory is off.
        """
        name, content = read_document(document)
        return await self._async(
            lambda desk, scope: desk.add_document(scope, name, content, trust=trust), **whose
        )

    def add_document_sync(
        self, document: Document, *, trust: float = DOCUMENT_TRUST, **whose: Unpack[Whose]
    ) -> tuple[str, ...]:
        """`add_document`, for code that is not async."""
        name, content = read_document(document)
        return self._sync(
            lambda desk, scope: desk.add_document(scope, name, content, trust=trust), **whose
        )

    async def search(
        self, query: str, *, limit: int = 10, **whose: Unpack[Whose]
    ) -> tuple[Remembered, ...]:
        """Return what has most to do with a query, as it would be recalled for it."""
        return await self._async(
            lambda desk, scope: desk.search(scope, query, limit=limit), **whose
        )

    def search_sync(
        self, query: str, *, limit: int = 10, **whose: Unpack[Whose]
    ) -> tuple[Remembered, ...]:
        """`search`, for code that is not async."""
        return self._sync(lambda desk, scope: desk.search(scope, query, limit=limit), **whose)

    async def get(self, id_: str, **whose: Unpack[Whose]) -> Remembered:
        """Return one piece, also one that was replaced.

        Raises:
            UnknownName: the user has no such piece.
        """
        return await self._async(lambda desk, scope: desk.get(scope, id_), **whose)

    def get_sync(self, id_: str, **whose: Unpack[Whose]) -> Remembered:
        """`get`, for code that is not async."""
        return self._sync(lambda desk, scope: desk.get(scope, id_), **whose)

    async def list(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        text: str | None = None,
        **whose: Unpack[Whose],
    ) -> tuple[Remembered, ...]:
        """Return what holds now, newest first; with `text`, only what holds it.

        `before` is the id of the last piece of the page before.
        """
        return await self._async(
            lambda desk, scope: desk.list(scope, limit=limit, before=before, text=text), **whose
        )

    def list_sync(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        text: str | None = None,
        **whose: Unpack[Whose],
    ) -> tuple[Remembered, ...]:
        """`list`, for code that is not async."""
        return self._sync(
            lambda desk, scope: desk.list(scope, limit=limit, before=before, text=text), **whose
        )

    async def update(self, id_: str, text: str, **whose: Unpack[Whose]) -> str:
        """Put another text in the place of a piece; return the new id. `history` keeps the old.

        Raises:
            InvalidInput: the text is empty, or too long for one piece.
            UnknownName: the user has no such piece, or it was replaced already.
        """
        return await self._async(lambda desk, scope: desk.update(scope, id_, text), **whose)

    def update_sync(self, id_: str, text: str, **whose: Unpack[Whose]) -> str:
        """`update`, for code that is not async."""
        return self._sync(lambda desk, scope: desk.update(scope, id_, text), **whose)

    async def delete(self, ids: Sequence[str], **whose: Unpack[Whose]) -> int:
        """Forget pieces with their earlier versions and vectors; return how many there were."""
        return await self._async(lambda desk, scope: desk.delete(scope, ids), **whose)

    def delete_sync(self, ids: Sequence[str], **whose: Unpack[Whose]) -> int:
        """`delete`, for code that is not async."""
        return self._sync(lambda desk, scope: desk.delete(scope, ids), **whose)

    async def delete_all(self, **whose: Unpack[Whose]) -> int:
        """Forget everything of the user, or of one session or agent; return how many pieces."""
        return await self._async(lambda desk, scope: desk.delete_all(scope), **whose)

    def delete_all_sync(self, **whose: Unpack[Whose]) -> int:
        """`delete_all`, for code that is not async."""
        return self._sync(lambda desk, scope: desk.delete_all(scope), **whose)

    async def history(self, id_: str, **whose: Unpack[Whose]) -> tuple[Remembered, ...]:
        """Return all versions of a piece, the oldest first.

        Raises:
            UnknownName: the user has no such piece.
        """
        return await self._async(lambda desk, scope: desk.history(scope, id_), **whose)

    def history_sync(self, id_: str, **whose: Unpack[Whose]) -> tuple[Remembered, ...]:
        """`history`, for code that is not async."""
        return self._sync(lambda desk, scope: desk.history(scope, id_), **whose)

    async def _async(self, work: Work[T], **whose: Unpack[Whose]) -> T:
        house = self._house()
        return await house.loop.wait_async(self._done(house, work, **whose))

    def _sync(self, work: Work[T], **whose: Unpack[Whose]) -> T:
        house = self._house()
        return house.loop.wait(self._done(house, work, **whose))

    async def _done(self, house: House, work: Work[T], **whose: Unpack[Whose]) -> T:
        scope = Scope(
            tenant=self._tenant,
            user=whose.get("user", "local"),
            session=whose.get("session"),
            agent=whose.get("agent"),
        )
        return await work(await house.memory(), scope)
