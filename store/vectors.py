"""Embeddings that were computed once, by encoder and text.

They are kept per tenant and user, not per session: the same text has the same vector in all of
them. The text itself is not stored, only its SHA-256.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        wanted = {_digest(text): text for text in texts}
        with self._database.reading() as connection:
            found = _read(connection, scope, encoder, tuple(wanted))
        return {wanted[digest]: vector for digest, vector in found.items()}

    def put(self, scope: Scope, encoder: str, mapping: Mapping[str, bytes]) -> None:
        """Keep vectors by text; a text that is known keeps the vector it has."""
        new = {_digest(text): vector for text, vector in mapping.items()}
        lock = f"vectors {scope.tenant} {scope.user}"
        with self._database.writing(lock=lock) as connection:
            known = _read(connection, scope, encoder, tuple(new))
            rows = [
                {**scoped(scope), "encoder": encoder, "digest": digest, "vector": vector}
                for digest, vector in new.items()
                if digest not in known
            ]
            if rows:
                connection.execute(insert(vectors), rows)


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _read(
    connection: Connection, scope: Scope, encoder: str, digests: Sequence[str]
) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for some in batched(digests):
        query = select(vectors.c.digest, vectors.c.vector).where(
            _owned(scope, encoder), vectors.c.digest.in_(some)
        )
        found.update((row.digest, row.vector) for row in connection.execute(query))
    return found


def _owned(scope: Scope, encoder: str) -> ColumnElement[bool]:
    columns = vectors.c
    return and_(
        columns.tenant == scope.tenant,
        columns.user_id == scope.user,
        columns.encoder == encoder,
    )
