"""The archive: what every user said and was answered, stored as it was."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from ..errors import InvalidInput, StoreError, UnknownName
from ..store.chunks import ChunkRow
from ..store.engine import Store
from ..values import Scope
from .chunks import AGENT_TRUST, USER, USER_TRUST, Turn, cut
from .embedding import Embedder
from .stacking import Stacking

if TYPE_CHECKING:
    from ..config import MemorySettings

_EMBEDDED_AT_ONCE = 8
"""Chunks; a query that is embedded meanwhile waits for as many at most."""

ANSWER_STEP = "answer"

_log = logging.getLogger(__name__)


class Archive:
    """Stores what was said in a turn, per tenant and user, and forgets it when told to.

    What is stored is embedded in the background; until then it is found by its words.

    Args:
        store: the open database, the one truth about what is remembered.
        embedder: embeds chunks; its encoder must be the one that embeds the queries.
        settings: chunk sizes; with `enabled` False nothing is stored.
        clock: returns the present instant, timezone-aware.
    """

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        settings: MemorySettings,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._stacking = Stacking(store, in_process=settings.in_process_chunks)
        self._settings = settings
        self._clock = clock
        self._embedding: dict[Scope, asyncio.Task[None]] = {}
        self._grown: set[Scope] = set()

    async def write(
        self, scope: Scope, run_id: str, query: str, answer: str, agents: Sequence[str]
    ) -> None:
        """Store a turn as it was said: the user's words, and the agents' as theirs.

        Only the query and the answer are stored; what was recalled for them is stored already. An
        answer without agents is the board's own and is not remembered.
        """
        now = self._clock()
        turns = [Turn(writer=USER, text=query, created_at=now, trust=USER_TRUST)]
        if agents:
            names = ", ".join(agents)
            turns.append(
                Turn(writer=names, text=answer, created_at=now, trust=AGENT_TRUST, step=ANSWER_STEP)
            )
        await self.add(scope, run_id, turns)
        self._embed_soon(scope.everyone)  # if a process that added knowledge died over it

    async def add(
        self,
        scope: Scope,
        run_id: str,
        turns: Sequence[Turn],
        *,
        valid_from: datetime | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[str, ...]:
        """Store a conversation under the id of one run and return the ids of its chunks.

        With an agent in the scope it is for that agent alone. It is recalled from `valid_from` on
        and until `expires_at`, where they are given. Storing under the same run id again changes
        nothing.
        """
        first = chunk_id(run_id, 0)
        if not self._settings.enabled:
            return ()
        if await self._store.call(self._store.chunks.get, scope.owner, (first,)):
            return ()
        chunks = await asyncio.to_thread(
            cut,
            turns,
            chunk_tokens=self._settings.chunk_tokens,
            count_many=self._embedder.count_many,
        )
        if not chunks:
            return ()
        rows = [
            ChunkRow(
                id=chunk_id(run_id, number),
                run_id=run_id,
                session=scope.session,
                writer=chunk.writer,
                text=chunk.text,
                created_at=chunk.created_at,
                tokens=chunk.tokens,
                trust=chunk.trust,
                agent=scope.agent,
                step=chunk.step,
                valid_from=valid_from,
                expires_at=expires_at,
            )
            for number, chunk in enumerate(chunks)
        ]
        await self._store.call(self._store.chunks.add, scope, rows)
        self._embed_soon(scope.owner)
        return tuple(row.id for row in rows)

    async def settle(self) -> None:
        """Wait until everything that this process stored is embedded."""
        while self._embedding:
            await asyncio.gather(*self._embedding.values())

    async def close(self) -> None:
        """Stop embedding; what is left is embedded when it is asked for."""
        tasks = tuple(self._embedding.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def update(self, scope: Scope, id_: str, text: str) -> str:
        """Put another text in the place of a chunk's, and return the new chunk's id.

        The chunk is kept as an earlier version, and never recalled again.

        Raises:
            InvalidInput: the text is empty, or too long for one chunk.
            UnknownName: there is no such chunk, or it was replaced already.
        """
        found = await self._store.call(self._store.chunks.get, scope, (id_,))
        if not found or found[0].superseded_by is not None:
            raise not_remembered(id_)
        (old,) = found
        turn = Turn(writer=old.writer, text=text, created_at=self._clock(), trust=old.trust)
        limit = self._settings.chunk_tokens
        chunks = await asyncio.to_thread(
            cut, [turn], chunk_tokens=limit, count_many=self._embedder.count_many
        )
        if len(chunks) != 1:
            raise InvalidInput(
                "There is no text. Say what to remember instead, or delete it."
                if not chunks
                else f"The text is longer than the {limit} tokens of one piece. Shorten it, or "
                "add it as new and delete this one."
            )
        row = replace(
            old,
            id=chunk_id(f"edit-{uuid4().hex[:12]}", 0),
            text=chunks[0].text,
            tokens=chunks[0].tokens,
            created_at=turn.created_at,
            vector=None,
            encoder=None,
            sequence=0,
        )
        if not await self._store.call(self._store.chunks.supersede, scope, id_, row):
            raise UnknownName(f"{id_!r} was changed or deleted meanwhile. Look at it again.")
        self._embed_soon(scope.owner)
        return row.id

    async def delete(self, scope: Scope, ids: Sequence[str]) -> int:
        """Forget chunks and their earlier versions at once; return how many of `ids` there were."""
        return await self._store.call(self._store.chunks.delete, scope, ids)

    async def delete_all(self, scope: Scope) -> int:
        """Forget all of the scope - of its session, if it names one; return how many there were."""
        return await self._store.call(self._store.chunks.delete_all, scope)

    def _embed_soon(self, owner: Scope) -> None:
        self._grown.add(owner)
        if owner not in self._embedding:
            self._embedding[owner] = asyncio.create_task(self._embed(owner))

    async def _embed(self, owner: Scope) -> None:
        try:
            while owner in self._grown:
                self._grown.remove(owner)
                more = True
                while more:
                    await self._stack(owner)
                    more = await self._embedder.embed_next(owner, limit=_EMBEDDED_AT_ONCE)
                await self._stack(owner)
        except StoreError:
            _log.warning("Embedding the memory of %s stopped.", owner.user, exc_info=True)
        finally:
            del self._embedding[owner]

    async def _stack(self, owner: Scope) -> None:
        while await self._store.call(self._stacking.follow, owner):
            pass


def not_remembered(id_: str) -> UnknownName:
    """Return the error for an id that the scope does not have."""
    return UnknownName(
        f"There is nothing remembered as {id_!r}. List what there is with 'callboard memory list'."
    )


def chunk_id(run_id: str, number: int) -> str:
    """Return the id of the `number`-th chunk of a run, from 0."""
    return f"{run_id}.{number:04d}"
