"""What is remembered, for people to look at and to mend: added, searched, changed, forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from uuid import uuid4

from ..agents.passages import passages_of, read_file
from ..errors import InvalidInput
from ..memory.archive import Archive, not_remembered
from ..memory.chunks import USER, USER_TRUST, Turn
from ..memory.recall import Read, Recall
from ..search.encoder import Encoder, Vectors
from ..store.chunks import ChunkRow
from ..store.engine import Store
from ..values import Remembered, Scope

if TYPE_CHECKING:
    from ..config import MemorySettings

DOCUMENT_TRUST = 0.8
"""A document is trusted less than what the user says, and more than what agents said."""

_SHOWN = tuple(field.name for field in fields(Remembered) if field.name != "similarity")


Reader: TypeAlias = Callable[[Scope, str, Vectors], Awaitable[Read]]
"""Gives a query of a scope, with its vector `(dim,)`, as experts read it."""


class MemoryDesk:
    """Shows and changes what is remembered in a scope, and nothing of another.

    A scope with a session or an agent narrows what is read and deleted, and says whose what is
    added is. `read` gives what experts make of a query.
    """

    def __init__(
        self,
        store: Store,
        archive: Archive,
        recall: Recall,
        encoder: Encoder,
        settings: MemorySettings,
        clock: Callable[[], datetime],
        *,
        read: Reader,
    ) -> None:
        self._store = store
        self._archive = archive
        self._recall = recall
        self._encoder = encoder
        self._settings = settings
        self._clock = clock
        self._read = read

    async def add(
        self,
        scope: Scope,
        text: str,
        *,
        writer: str = USER,
        trust: float = USER_TRUST,
        valid_from: datetime | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[str, ...]:
        """Remember a text and return the ids of its pieces.

        Raises:
            InvalidInput: there is no text, the trust is not in 0..1, an instant has no time zone,
                or memory is off.
        """
        _check_trust(trust)
        for name, instant in (("valid_from", valid_from), ("expires_at", expires_at)):
            if instant is not None and instant.tzinfo is None:
                raise InvalidInput(f"{name}={instant} has no time zone. Add one, such as UTC.")
        turn = Turn(writer=writer, text=text, created_at=self._clock(), trust=trust)
        return await self._add(scope, [turn], valid_from=valid_from, expires_at=expires_at)

    async def add_document(
        self, scope: Scope, name: str, content: bytes, *, trust: float = DOCUMENT_TRUST
    ) -> tuple[str, ...]:
        """Remember the passages of a document (Markdown, text, HTML or PDF); return their ids.

        `name` says by its ending what it is, and is quoted as the source. Returns when all is
        embedded, about 80 passages a second.

        Raises:
            InvalidInput: it is too large, can't be read or holds no text, or memory is off.
        """
        _check_trust(trust)
        passages = await asyncio.to_thread(passages_of, name, content)
        now = self._clock()
        turns = [
            Turn(writer=one.source, text=one.text, created_at=now, trust=trust) for one in passages
        ]
        if not turns:
            raise InvalidInput(f"The document {name!r} holds no text.")
        ids = await self._add(scope, turns)
        await self._archive.settle()
        return ids

    async def search(self, scope: Scope, query: str, *, limit: int) -> tuple[Remembered, ...]:
        """Return what has most to do with a query, as recall would rank it."""
        (vector,) = await self._encoder.aencode([query])
        read = await self._read(scope, query, vector)
        found = await self._recall.search(scope, query, vector, k=limit, read=read)
        return tuple(replace(_shown(one.row), similarity=one.similarity) for one in found)

    async def get(self, scope: Scope, id_: str) -> Remembered:
        """Return a piece, also one that was replaced.

        Raises:
            UnknownName: nothing of the scope has this id.
        """
        rows = await self._store.call(self._store.chunks.get, scope, (id_,))
        if not rows:
            raise not_remembered(id_)
        return _shown(rows[0])

    async def list(
        self, scope: Scope, *, limit: int, before: str | None, text: str | None
    ) -> tuple[Remembered, ...]:
        """Return what holds now, newest first; `before` is the last id of the page before.

        Raises:
            UnknownName: there is no such id.
        """
        chunks, number = self._store.chunks, None
        if before is not None:
            rows = await self._store.call(chunks.get, scope, (before,))
            if not rows:
                raise not_remembered(before)
            number = rows[0].sequence
        page = await self._store.call(
            chunks.page, scope, now=self._clock(), limit=limit, before=number, text=text
        )
        return tuple(map(_shown, page))

    async def update(self, scope: Scope, id_: str, text: str) -> str:
        """Put another text in the place of a piece; return the new one's id."""
        return await self._archive.update(scope, id_, text)

    async def delete(self, scope: Scope, ids: Sequence[str]) -> int:
        """Forget pieces with all their earlier versions; return how many there were."""
        return await self._archive.delete(scope, ids)

    async def delete_all(self, scope: Scope) -> int:
        """Forget everything of the scope; return how many pieces there were."""
        return await self._archive.delete_all(scope)

    async def history(self, scope: Scope, id_: str) -> tuple[Remembered, ...]:
        """Return all versions of a piece, the oldest first.

        Raises:
            UnknownName: nothing of the scope has this id.
        """
        rows = await self._store.call(self._store.chunks.versions, scope, id_)
        if not rows:
            raise not_remembered(id_)
        return tuple(map(_shown, rows))

    async def _add(
        self,
        scope: Scope,
        turns: Sequence[Turn],
        *,
        valid_from: datetime | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[str, ...]:
        if not self._settings.enabled:
            raise InvalidInput("Memory is off. Set enabled = true in [memory] of callboard.toml.")
        ids = await self._archive.add(
            scope, f"note-{uuid4().hex[:12]}", turns, valid_from=valid_from, expires_at=expires_at
        )
        if not ids:
            raise InvalidInput("There is no text. Say what is to be remembered.")
        return ids


def read_document(document: Path | str | tuple[str, bytes]) -> tuple[str, bytes]:
    """Return the name of a document and what it holds; a path is read.

    Raises:
        InvalidInput: it can't be read.
    """
    if isinstance(document, tuple):
        return document
    file = Path(document)
    return file.name, read_file(str(file), file)


def _check_trust(trust: float) -> None:
    if not 0 <= trust <= 1:
        raise InvalidInput(f"The trust {trust} is not in 0..1: 0 is no trust, 1 full trust.")


def _shown(row: ChunkRow) -> Remembered:
    return Remembered(**{name: getattr(row, name) for name in _SHOWN})
