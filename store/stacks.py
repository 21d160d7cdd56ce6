"""The stacks: of large memories, what PostgreSQL needs to find in them by itself.

A library keeps in its stacks what no longer fits on the shelves, and fetches what is asked for.
The stack of a memory follows its chunks as an index in a process does, but stands in the database,
so that no process has to load them all. It is a help and never the truth: a chunk that is deleted
takes its row along, and one that was replaced is sorted out by who reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_or

from ..values import Scope
from .chunks import Mark
from .database import Database
from .look import Look, numbered, stack_of
from .stack_tables import stacked, stacked_terms, stacks
from .stacked import NOT_STACKED, StackedRow, StackState
from .tables import chunks, memories, within
from .upsert import upsert

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STALE = 0.9
"""Words are counted anew when less than this share of the chunks that were counted is left."""

_KEY = ("tenant", "user_id", "id")
_PLAIN = (
    "id",
    "session",
    "thread",
    "sequence",
    "agent",
    "day",
    "length",
    "asks",
    "trust",
    "encoder",
)
_TERM_COLUMNS = ("tenant", "user_id", "term", "holders")
_MOST_COMPARED = 20_000
"""Entries of HNSW that are compared for one search, where a filter leaves little."""


class Stacks:
    """Keeps the stacks of memories, and finds in them. Only on a PostgreSQL with pgvector."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def state(self, scope: Scope) -> StackState:
        """Return how far the stack of the tenant and user has come; one cheap SELECT."""
        with self._database.reading() as connection:
            return _state(connection, scope)

    def add(self, scope: Scope, rows: Sequence[StackedRow], *, after: int, through: int) -> bool:
        """Stack chunks that follow number `after`; all are then stacked through `through`.

        Return False, and change nothing, if another process is at it or was quicker. Chunks that
        were deleted or replaced meanwhile are passed over.
        """
        with self._stacking(scope) as connection:
            if connection is None:
                return False
            state = _state(connection, scope)
            if state.sequence != after:
                return False
            there = _held(connection, scope, [row.id for row in rows])
            kept = [row for row in rows if row.id in there]
            if kept:
                values = [_values(scope, row) for row in kept]
                connection.execute(insert(stacked), values)
                _count(connection, scope, [value["terms"] for value in values])
            _keep_state(
                connection,
                scope,
                sequence=through,
                erasures=state.erasures,
                chunks=state.chunks + len(kept),
                words=state.words + sum(len(row.words) for row in kept),
            )
        return True

    def fill(self, scope: Scope, *, limit: int) -> int:
        """Take in vectors that were made since the chunks were stacked; return how many."""
        made = (
            select(stacked.c.id, chunks.c.encoder, chunks.c.vector)
            .join_from(stacked, chunks, and_(*(stacked.c[key] == chunks.c[key] for key in _KEY)))
            .where(
                stack_of(stacked, scope),
                stacked.c.encoder.is_(None),
                chunks.c.vector.is_not(None),
            )
            .limit(limit)
        )
        with self._stacking(scope) as connection:
            if connection is None:
                return 0
            rows = [
                {"chunk": id_, "by": by, "made": _floats(vector or b"")}
                for id_, by, vector in connection.execute(made)
            ]
            if rows:
                put = update(stacked).values(encoder=bindparam("by"), embedding=bindparam("made"))
                which = (stack_of(stacked, scope), stacked.c.id == bindparam("chunk"))
                connection.execute(put.where(*which), rows)
        return len(rows)

    def prune(self, scope: Scope) -> None:
        """Take out what was replaced, and count anew if much of what was counted is gone."""
        with self._stacking(scope) as connection:
            if connection is None:
                return
            state = _state(connection, scope)
            replaced = select(chunks.c.id).where(
                within(chunks.c, scope.owner), chunks.c.superseded_by.is_not(None)
            )
            connection.execute(
                delete(stacked).where(stack_of(stacked, scope), stacked.c.id.in_(replaced))
            )
            total = select(func.count(), func.coalesce(func.sum(stacked.c.words), 0))
            left, words = connection.execute(total.where(stack_of(stacked, scope))).one()
            stale = left < _STALE * state.chunks
            if stale:
                _recount(connection, scope)
            _keep_state(
                connection,
                scope,
                sequence=state.sequence,
                erasures=state.mark.erasures,
                chunks=left if stale else state.chunks,
                words=words if stale else state.words,
            )

    def agents(self, scope: Scope) -> frozenset[str]:
        """Return the agents for whom alone something is stacked."""
        query = select(stacked.c.agent).where(
            stack_of(stacked, scope), stacked.c.agent.is_not(None)
        )
        with self._database.reading() as connection:
            found = connection.execute(query.distinct()).scalars()
            return frozenset(agent for agent in found if agent is not None)

    @contextmanager
    def looking(
        self,
        scope: Scope,
        encoder: str,
        vector: NDArray[np.float32],
        *,
        read: NDArray[np.float32] | None = None,
        most: int,
    ) -> Iterator[Look]:
        """Open a look into the stack of a memory: at most `most` are found at a time.

        What is found is of the scope: of its session and for its agent, or for no agent alone.
        `vector` is the query's, (dim,), made by `encoder`; what is near is near to `read`, if an
        expert read the query anew.
        """
        settings = {
            "hnsw.ef_search": str(min(most, 1000)),
            "hnsw.iterative_scan": "relaxed_order",
            "hnsw.max_scan_tuples": str(_MOST_COMPARED),
            "plan_cache_mode": "force_custom_plan",  # owners differ too much for one plan
            "jit": "off",
        }
        with self._database.reading() as connection:
            connection.execute(
                select(*(func.set_config(name, value, True) for name, value in settings.items()))
            )
            yield Look(connection, scope, encoder, vector, read)

    @contextmanager
    def _stacking(self, scope: Scope) -> Iterator[Connection | None]:
        """Open the transaction of the one that stacks for this memory; None: another one does."""
        line = func.hashtextextended(f"stack {scope.tenant} {scope.user}", 0)
        with self._database.writing(patient=True) as connection:
            alone = connection.execute(select(func.pg_try_advisory_xact_lock(line))).scalar()
            yield connection if alone else None


def _state(connection: Connection, scope: Scope) -> StackState:
    columns = stacks.c
    query = (
        select(
            columns.sequence,
            columns.erasures,
            columns.chunks,
            columns.words,
            memories.c.sequence.label("newest"),
            memories.c.erasures.label("erased"),
        )
        .outerjoin_from(memories, stacks, stack_of(stacks, scope))
        .where(stack_of(memories, scope))
    )
    row = connection.execute(query).first()
    if row is None:
        return NOT_STACKED
    return StackState(
        sequence=row.sequence or 0,
        # What was erased before a stack is begun is no concern of it.
        erasures=row.erased if row.erasures is None else row.erasures,
        chunks=row.chunks or 0,
        words=row.words or 0,
        mark=Mark(sequence=row.newest, erasures=row.erased),
    )


def _keep_state(connection: Connection, scope: Scope, **values: int) -> None:
    owner = {"tenant": scope.tenant, "user_id": scope.user, "session": None}
    connection.execute(upsert(connection, stacks), [{**owner, **values}])


def _held(connection: Connection, scope: Scope, ids: Sequence[str]) -> frozenset[str]:
    """Return the chunks that are there and not replaced; none is deleted before the commit."""
    query = select(chunks.c.id).where(
        within(chunks.c, scope.owner), chunks.c.superseded_by.is_(None), chunks.c.id.in_(ids)
    )
    locked = query.with_for_update(read=True, key_share=True)
    return frozenset(connection.execute(locked).scalars())


def _values(scope: Scope, row: StackedRow) -> dict[str, Any]:
    return {
        "tenant": scope.tenant,
        "user_id": scope.user,
        **{name: getattr(row, name) for name in _PLAIN},
        "words": len(row.words),
        "terms": numbered(scope, words=row.words, names=row.names),
        "embedding": None if row.vector is None else _floats(row.vector),
    }


def _count(connection: Connection, scope: Scope, terms: Sequence[Sequence[int]]) -> None:
    more = Counter(term for some in terms for term in set(some))
    rows = select(
        *_owner(scope),
        func.unnest(literal(list(more), stacked.c.terms.type)),
        func.unnest(literal(list(more.values()), stacked.c.terms.type)),
    )
    new = insert_or(stacked_terms).from_select(_TERM_COLUMNS, rows)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=list(stacked_terms.primary_key.columns),
            set_={"holders": stacked_terms.c.holders + new.excluded.holders},
        )
    )


def _recount(connection: Connection, scope: Scope) -> None:
    connection.execute(delete(stacked_terms).where(stack_of(stacked_terms, scope)))
    each = (
        select(stacked.c.id, func.unnest(stacked.c.terms).label("term"))
        .where(stack_of(stacked, scope))
        .distinct()
        .subquery()
    )
    rows = select(*_owner(scope), each.c.term, func.count()).group_by(each.c.term)
    connection.execute(insert(stacked_terms).from_select(_TERM_COLUMNS, rows))


def _floats(vector: bytes) -> NDArray[np.float32]:
    return np.frombuffer(vector, "<f4")


def _owner(scope: Scope) -> tuple[Any, Any]:
    return literal(scope.tenant), literal(scope.user)
