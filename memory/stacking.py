"""Stacks what large memories hold, behind the one who stores, so that nobody waits for it."""

from __future__ import annotations

from collections.abc import Sequence

from ..search.words import words
from ..store.chunks import ChunkRow
from ..store.engine import Store
from ..store.stacked import StackedRow
from ..values import Scope
from .columns import asks, day_number, length, names_of, thread
from .embedding import indexed

_AT_ONCE = 200
"""Chunks that are stacked in one transaction."""
_FILLED_AT_ONCE = 100
"""Vectors that are put into the index in one transaction; each takes some milliseconds."""
_FEW = 32
"""Chunks that are left in the tail, which costs less than a transaction for each turn."""


class Stacking:
    """Brings the stacks of memories up to date, where the database has them."""

    def __init__(self, store: Store, *, in_process: int) -> None:
        self._store = store
        self._in_process = in_process

    def follow(self, owner: Scope) -> bool:
        """Take one step for a memory that is large; return whether another may be due. Blocks."""
        stacks = self._store.stacks
        if stacks is None:
            return False
        state = stacks.state(owner)
        if state.mark.sequence <= self._in_process:
            return False
        if state.erasures != state.mark.erasures:
            stacks.prune(owner)
        if state.behind <= (_FEW if state.chunks else 0):
            return stacks.fill(owner, limit=_FILLED_AT_ONCE) == _FILLED_AT_ONCE
        rows = self._store.chunks.since(owner, state.sequence, limit=_AT_ONCE)
        last = rows[-1].sequence if rows else 0
        through = last if len(rows) == _AT_ONCE else max(last, state.mark.sequence)
        return stacks.add(owner, _stacked(rows), after=state.sequence, through=through)


def _stacked(rows: Sequence[ChunkRow]) -> list[StackedRow]:
    return [
        StackedRow(
            id=row.id,
            session=row.session,
            thread=thread(row),
            sequence=row.sequence,
            agent=row.agent,
            day=day_number(row.created_at.timestamp()),
            length=length(row),
            asks=asks(row),
            trust=row.trust,
            words=words(indexed(row)),
            names=names_of(row.writer),
            encoder=row.encoder,
            vector=row.vector,
        )
        for row in rows
        if row.superseded_by is None
    ]
