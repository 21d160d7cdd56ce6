"""What is remembered of the turns, per tenant and user; sessions are told apart on request.

A memory has a mark: chunks are numbered in the order of adding, and every deletion counts. An
index keeps the mark it has read to, reads on with `since`, and starts afresh when the erasures
have changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from ..errors import InvalidInput
from ..values import Scope
from .database import Database, batched
from .tables import chunks, memories, scoped, within
from .upsert import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRow:
    """A piece of what was said in a turn. `trust` is in 0..1.

    `writer` is "user", an agent's name, or the name of a document; `step` is the step of the run
    that it came from. `agent` is the one that it is for, None: all. `sequence` is given by the
    store. `vector` is float32 little-endian, made by `encoder`; both are None until they were made.
    `valid_from`, `superseded_by` and `expires_at` say when it holds: they are stored, and judged
    by who reads.
    """

    id: str
    run_id: str
    session: str | None
    writer: str
    text: str
    created_at: datetime
    tokens: int
    vector: bytes | None = None
    encoder: str | None = None
    trust: float = 1.0
    valid_from: datetime | None = None
    superseded_by: str | None = None
    expires_at: datetime | None = None
    agent: str | None = None
    step: str | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """What an encoder made of a chunk; `tokens` in whatever form the reader keeps them."""

    id: str
    encoder: str
    vector: bytes
    tokens: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a memory has come: its last number, and how often chunks were deleted."""

    sequence: int
    erasures: int


# Vectors are large, those of tokens most of all, and needed of few chunks.
_PLAIN_COLUMNS = tuple(chunks.c[field.name] for field in fields(ChunkRow) if field.name != "vector")
_COLUMNS = (*_PLAIN_COLUMNS, chunks.c.vector)
_FIELDS = tuple(column.name for column in _COLUMNS)
_PLAIN = _FIELDS[:-1]

# To put a statement together takes longer than to execute it: those of every turn are made once.
_OWNED = and_(
    chunks.c.tenant == bindparam("tenant"),
    chunks.c.user_id == bindparam("user_id"),
)
_MARK = select(memories.c.sequence, memories.c.erasures).where(
    memories.c.tenant == bindparam("tenant"), memories.c.user_id == bindparam("user_id")
)
_INSERT = insert(chunks)
_EMBED = (
    update(chunks)
    .where(
        chunks.c.tenant == bindparam("owner"),
        chunks.c.user_id == bindparam("owning_user"),
        chunks.c.id == bindparam("chunk"),
    )
    .values(
        encoder=bindparam("encoder"),
        vector=bindparam("vector"),
        token_vectors=bindparam("token_vectors"),
    )
)


class Chunks:
    """Adds, reads and deletes what a user's memory holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, scope: Scope, rows: Sequence[ChunkRow]) -> int:
        """Remember chunks; those whose ids are known are left as they are. Return the new ones.

        Raises:
            InvalidInput: the scope names a session or an agent, and a chunk is of another.
        """
        for row in rows:
            _check(scope, row)
        with self._changing(scope) as connection:
            known = {row.id for row in _read(connection, scope.owner, [row.id for row in rows])}
            new = {row.id: row for row in rows if row.id not in known}
            if new:
                last = _mark(connection, scope).sequence
                numbered = enumerate(new.values(), last + 1)
                values = [_values(scope, row, number) for number, row in numbered]
                connection.execute(_INSERT, values)
                _move_mark(connection, scope, sequence=last + len(new))
        return len(new)

    def supersede(self, scope: Scope, old: str, row: ChunkRow) -> bool:
        """Put `row` in the place of a chunk, which is kept as its earlier version.

        Return False, and change nothing, if there is no such chunk or it was replaced already.
        """
        _check(scope, row)
        with self._changing(scope) as connection:
            replaced = (
                update(chunks)
                .where(_within(scope), chunks.c.id == old, chunks.c.superseded_by.is_(None))
                .values(superseded_by=row.id)
            )
            if not connection.execute(replaced).rowcount:
                return False
            number = _mark(connection, scope).sequence + 1
            connection.execute(_INSERT, [_values(scope, row, number)])
            _move_mark(connection, scope, sequence=number)
            count_erasure(connection, scope)
        return True

    def versions(self, scope: Scope, id_: str) -> tuple[ChunkRow, ...]:
        """Return a chunk with all that it replaced and was replaced by, the oldest first."""
        with self._database.reading() as connection:
            found = {row.id: row for row in _read(connection, scope, [id_])}
            if not found:
                return ()
            newest = found[id_]
            while newest.superseded_by is not None:
                (newest,) = _read(connection, scope, [newest.superseded_by])
            chain = [newest]
            while earlier := _replaced_by(connection, scope, [chain[-1].id]):
                chain += _read(connection, scope, earlier)
        return tuple(reversed(chain))

    def page(
        self,
        scope: Scope,
        *,
        now: datetime,
        limit: int,
        before: int | None = None,
        text: str | None = None,
    ) -> tuple[ChunkRow, ...]:
        """Return the chunks that hold at `now`, newest first; `before` is a sequence number.

        With `text`, only those that hold it, in any case.
        """
        columns = chunks.c
        query = (
            select(*_PLAIN_COLUMNS)
            .where(
                _within(scope),
                columns.superseded_by.is_(None),
                or_(columns.expires_at.is_(None), columns.expires_at > now),
                or_(columns.valid_from.is_(None), columns.valid_from <= now),
            )
            .order_by(columns.sequence.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(columns.sequence < before)
        if text is not None:
            query = query.where(columns.text.icontains(text, autoescape=True))
        with self._database.reading() as connection:
            return tuple(_chunk(row) for row in connection.execute(query).all())

    def all(self, scope: Scope) -> tuple[ChunkRow, ...]:
        """Return the chunks in the order of adding."""
        return self.since(scope, 0)

    def since(
        self, scope: Scope, sequence: int, *, limit: int | None = None
    ) -> tuple[ChunkRow, ...]:
        """Return the chunks that were added after number `sequence`, in that order."""
        query = (
            select(*_COLUMNS)
            .where(_within(scope), chunks.c.sequence > sequence)
            .order_by(chunks.c.sequence)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return tuple(_chunk(row) for row in connection.execute(query))

    def sampled(self, scope: Scope, encoder: str, sequences: Sequence[int]) -> tuple[bytes, ...]:
        """Return the vectors that `encoder` made of the chunks of these numbers."""
        query = select(chunks.c.vector).where(
            _within(scope), chunks.c.encoder == encoder, chunks.c.sequence.in_(sequences)
        )
        with self._database.reading() as connection:
            return tuple(one for one in connection.execute(query).scalars() if one is not None)

    def ids(self, scope: Scope) -> frozenset[str]:
        """Return the ids of all chunks that were not replaced."""
        with self._database.reading() as connection:
            query = select(chunks.c.id).where(_within(scope), chunks.c.superseded_by.is_(None))
            return frozenset(connection.execute(query).scalars())

    def unembedded(self, scope: Scope, *, limit: int) -> tuple[ChunkRow, ...]:
        """Return the first chunks that no encoder has embedded."""
        query = _unembedded(scope.session is not None, scope.agent is not None)
        with self._database.reading() as connection:
            rows = connection.execute(query, {**_names(scope), "limit": limit})
            return tuple(_chunk(row) for row in rows)

    def embed(self, scope: Scope, rows: Sequence[Embedded]) -> None:
        """Keep what an encoder made of chunks; those that are gone are passed over."""
        values = [
            {
                "owner": scope.tenant,
                "owning_user": scope.user,
                "chunk": row.id,
                "encoder": row.encoder,
                "vector": row.vector,
                "token_vectors": row.tokens,
            }
            for row in rows
        ]
        if values:
            with self._changing(scope) as connection:
                connection.execute(_EMBED, values)

    def vectors(self, scope: Scope, encoder: str, ids: Sequence[str]) -> dict[str, bytes]:
        """Return by id the vectors that `encoder` made of chunks; the others are left out."""
        return self._made("vector", scope, encoder, ids)

    def tokens(self, scope: Scope, encoder: str, ids: Sequence[str]) -> dict[str, bytes]:
        """Return by id what `encoder` made of the tokens of chunks; the others are left out."""
        return self._made("token_vectors", scope, encoder, ids)

    def mark(self, scope: Scope) -> Mark:
        """Return how far the memory of the tenant and user has come; one cheap SELECT."""
        with self._database.reading() as connection:
            return _mark(connection, scope)

    def get(self, scope: Scope, ids: Sequence[str]) -> tuple[ChunkRow, ...]:
        """Return the chunks in the order of `ids`, without those that the scope does not have.

        They come without their vectors.
        """
        with self._database.reading() as connection:
            found = {row.id: row for row in _read(connection, scope, ids)}
        return tuple(found[chunk_id] for chunk_id in ids if chunk_id in found)

    def delete(self, scope: Scope, ids: Sequence[str]) -> int:
        """Forget chunks and all their earlier versions; return how many of `ids` there were."""
        with self._changing(scope) as connection:
            gone = len([*_read(connection, scope, ids)])
            level = list(ids)
            while level:
                earlier = _replaced_by(connection, scope, level)
                for some in batched(level):
                    connection.execute(delete(chunks).where(_within(scope), chunks.c.id.in_(some)))
                level = earlier
            if gone:
                count_erasure(connection, scope)
        return gone

    def delete_all(self, scope: Scope) -> int:
        """Forget everything of the scope; return how many chunks there were."""
        with self._changing(scope, patient=True) as connection:
            gone = connection.execute(delete(chunks).where(_within(scope))).rowcount
            if gone:
                count_erasure(connection, scope)
        return gone

    def _made(
        self, column: str, scope: Scope, encoder: str, ids: Sequence[str]
    ) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        # The encoder is compared here: SQLite would go through all chunks of the encoder.
        query = _by_ids(
            ("id", "encoder", column), scope.session is not None, scope.agent is not None
        )
        with self._database.reading() as connection:
            for some in batched(ids):
                rows = connection.execute(query, {**_names(scope), "ids": some}).all()
                found.update((id_, blob) for id_, by, blob in rows if blob and by == encoder)
        return found

    @contextmanager
    def _changing(self, scope: Scope, *, patient: bool = False) -> Iterator[Connection]:
        line = f"memory {scope.tenant} {scope.user}"
        with self._database.writing(line, patient=patient) as connection:
            yield connection


def _within(scope: Scope) -> ColumnElement[bool]:
    """Hold for the chunks of the scope; with an agent, for those that are for it alone."""
    held = within(chunks.c, scope)
    return held if scope.agent is None else and_(held, chunks.c.agent == scope.agent)


@cache
def _held(session: bool, agent: bool) -> ColumnElement[bool]:
    """Hold for the same, with the scope left open; it says which of its fields are named."""
    held = _OWNED
    if session:
        held = and_(held, chunks.c.session == bindparam("session"))
    return and_(held, chunks.c.agent == bindparam("agent")) if agent else held


@cache
def _by_ids(names: tuple[str, ...], session: bool, agent: bool) -> Select[Any]:
    wanted = chunks.c.id.in_(bindparam("ids", expanding=True))
    return select(*(chunks.c[name] for name in names)).where(_held(session, agent), wanted)


@cache
def _unembedded(session: bool, agent: bool) -> Select[Any]:
    return (
        select(*_COLUMNS)
        .where(_held(session, agent), chunks.c.encoder.is_(None))
        .order_by(chunks.c.sequence)
        .limit(bindparam("limit"))
    )


def _names(scope: Scope) -> dict[str, Any]:
    return {**scoped(scope), "agent": scope.agent}


def _check(scope: Scope, row: ChunkRow) -> None:
    for kind, wanted, given in (
        ("session", scope.session, row.session),
        ("agent", scope.agent, row.agent),
    ):
        if wanted not in (None, given):
            raise InvalidInput(
                f"The chunk {row.id!r} is of {kind} {given!r}, and the scope of {wanted!r}. "
                f"Use a scope of the chunk's {kind}, or of none."
            )


def _replaced_by(connection: Connection, scope: Scope, ids: Sequence[str]) -> list[str]:
    """Return the ids of the chunks that were replaced by these."""
    found: list[str] = []
    for some in batched(ids):
        query = select(chunks.c.id).where(_within(scope), chunks.c.superseded_by.in_(some))
        found += connection.execute(query).scalars()
    return found


def _read(connection: Connection, scope: Scope, ids: Sequence[str]) -> Iterator[ChunkRow]:
    query = _by_ids(_PLAIN, scope.session is not None, scope.agent is not None)
    for some in batched(ids):
        rows = connection.execute(query, {**_names(scope), "ids": some}).all()
        yield from map(_chunk, rows)


def _mark(connection: Connection, scope: Scope) -> Mark:
    row = connection.execute(_MARK, scoped(scope)).first()
    return Mark(sequence=0, erasures=0) if row is None else Mark(**row._mapping)


def _move_mark(connection: Connection, scope: Scope, **changes: int) -> None:
    change = (
        update(memories)
        .where(memories.c.tenant == scope.tenant, memories.c.user_id == scope.user)
        .values(changes)
    )
    if connection.execute(change).rowcount == 0:
        first = {"tenant": scope.tenant, "user_id": scope.user, "sequence": 0, "erasures": 0}
        connection.execute(insert(memories), first | changes)


def count_erasure(connection: Connection, scope: Scope) -> None:
    """Tell who has read this memory before that something of it is gone."""
    row = {"tenant": scope.tenant, "user_id": scope.user, "sequence": 0, "erasures": 1}
    connection.execute(upsert(connection, memories, adding="erasures"), row)


def _values(scope: Scope, row: ChunkRow, sequence: int) -> dict[str, Any]:
    owner = {"tenant": scope.tenant, "user_id": scope.user}
    return {**asdict(row), **owner, "sequence": sequence}


def _chunk(row: Row[Any]) -> ChunkRow:
    return ChunkRow(**dict(zip(_FIELDS, row, strict=False)))
