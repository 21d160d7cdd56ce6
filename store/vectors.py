"""Embeddings that were computed once, by encoder and text.

They are kept per tenant and user, not per session: the same text has the same vector in all of
them. The text itself is not stored, only its SHA-256.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from hashlib import sha256

from sqlalchemy import ColumnElement, Connection, and_, insert, select

from ..values import Scope
from .database import Database, batched
from .tables import scoped, vectors


class Vectors:
    """A cache of embeddings; a vector is whatever bytes the encoder's user puts in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, scope: Scope, encoder: str, texts: Sequence[str]) -> dict[str, bytes]:
        """Return the vectors of those texts that are known; `encoder` names model and version."""
        wanted = {digest(text): text for text in texts}
        found: dict[str, bytes] = {}
        with self._database.reading() as connection:
            for some in batched(tuple(wanted)):
                query = select(vectors.c.digest, vectors.c.vector).where(
                    _owned(scope, encoder), vectors.c.digest.in_(some)
                )
                rows = connection.execute(query)
                found.update((wanted[digest], vector) for digest, vector in rows)
        return found

    async def remembered(
        self,
        scope: Scope,
        encoder: str,
        texts: Sequence[str],
        make: Callable[[Sequence[str]], Awaitable[Iterable[bytes]]],
    ) -> dict[str, bytes]:
        """Return the vectors of all texts; those that are not known are made, and kept."""
        known = await asyncio.to_thread(self.get, scope, encoder, texts)
        new = [text for text in dict.fromkeys(texts) if text not in known]
        for some in batched(new):
            made = dict(zip(some, await make(some), strict=True))
            await asyncio.to_thread(self.put, scope, encoder, made)
            known |= made
        return known

    def put(self, scope: Scope, encoder: str, mapping: Mapping[str, bytes]) -> None:
        """Keep vectors by text; a text that is known keeps the vector it has."""
        new = {digest(text): vector for text, vector in mapping.items()}
        line = f"vectors {scope.tenant} {scope.user}"
        with self._database.writing(line) as connection:
            for some in batched(tuple(new)):
                known = _known(connection, scope, encoder, some)
                rows = [
                    {**scoped(scope), "encoder": encoder, "digest": digest, "vector": new[digest]}
                    for digest in some
                    if digest not in known
                ]
                if rows:
                    connection.execute(insert(vectors), rows)


def digest(text: str) -> str:
    """Return the key of a text."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _known(connection: Connection, scope: Scope, encoder: str, digests: Sequence[str]) -> set[str]:
    query = select(vectors.c.digest).where(_owned(scope, encoder), vectors.c.digest.in_(digests))
    return set(connection.execute(query).scalars())


def _owned(scope: Scope, encoder: str) -> ColumnElement[bool]:
    columns = vectors.c
    return and_(
        columns.tenant == scope.tenant,
        columns.user_id == scope.user,
        columns.encoder == encoder,
    )
