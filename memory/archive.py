"""The archive: what every user said and was answered, stored as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..search.encoder import Encoder
from ..store.chunks import ChunkRow
from ..store.engine import Store
from ..values import Scope
from .chunks import AGENT_TRUST, USER, USER_TRUST, Turn, dated, pack
from .shelf import to_bytes

if TYPE_CHECKING:
    from ..config import MemorySettings


class Archive:
    """Stores what was said in a turn, per tenant and user, and forgets it when told to.

    Args:
        store: the open database, the one truth about what is remembered.
        encoder: embeds chunks; must be the one that embeds the queries.
        settings: chunk sizes; with `enabled` False nothing is stored.
        clock: returns the present instant, timezone-aware.
    """

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        settings: MemorySettings,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._settings = settings
        self._clock = clock

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
            turns.append(Turn(writer=names, text=answer, created_at=now, trust=AGENT_TRUST))
        await self.add(scope, run_id, turns)

    async def add(self, scope: Scope, run_id: str, turns: Sequence[Turn]) -> tuple[str, ...]:
        """Store a conversation under the id of one run and return the ids of its chunks.

        Storing under the same run id again changes nothing.
        """
        first = chunk_id(run_id, 0)
        if not self._settings.enabled:
            return ()
        if await self._store.call(self._store.chunks.get, scope.owner, (first,)):
            return ()
        chunks = await asyncio.to_thread(
            pack,
            turns,
            chunk_tokens=self._settings.chunk_tokens,
            count_tokens=self._encoder.count_tokens,
        )
        if not chunks:
            return ()
        vectors = await self._encoder.aencode([dated(one.text, one.created_at) for one in chunks])
        rows = [
            ChunkRow(
                id=chunk_id(run_id, number),
                run_id=run_id,
                session=scope.session,
                writer=chunk.writer,
                text=chunk.text,
                created_at=chunk.created_at,
                tokens=chunk.tokens,
                vector=to_bytes(vector),
                trust=chunk.trust,
            )
            for number, (chunk, vector) in enumerate(zip(chunks, vectors, strict=True))
        ]
        await self._store.call(self._store.chunks.add, scope, rows)
        return tuple(row.id for row in rows)

    async def delete(self, scope: Scope, ids: Sequence[str]) -> int:
        """Forget chunks by their ids at once; return how many there were."""
        return await self._store.call(self._store.chunks.delete, scope, ids)

    async def delete_all(self, scope: Scope) -> int:
        """Forget all of the scope - of its session, if it names one; return how many there were."""
        return await self._store.call(self._store.chunks.delete_all, scope)


def chunk_id(run_id: str, number: int) -> str:
    """Return the id of the `number`-th chunk of a run, from 0."""
    return f"{run_id}.{number:04d}"
