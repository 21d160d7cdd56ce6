"""Erasing for good: what goes together, and the marks by which others learn that it went.

Indexes and whatever else a process remembers of users' words are told by the mark of the memory
that all users of a tenant share: it moves when anything of the tenant is erased.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, delete, select

from ..values import Scope
from .chunks import count_erasure
from .database import batched
from .tables import chunks, feedback, runs, vectors, within
from .vectors import digest


def erase_runs(connection: Connection, ids: Sequence[str]) -> int:
    """Delete runs with their steps, events, summaries and feedback; return how many there were."""
    gone = 0
    for some in batched(ids):
        erase_feedback(connection, feedback.c.run_id.in_(some))
        gone += connection.execute(delete(runs).where(runs.c.id.in_(some))).rowcount
    return gone


def erase_feedback(connection: Connection, chosen: ColumnElement[bool]) -> int:
    """Delete votes, and the vectors that the router made of their queries; return how many votes.

    A vector that something else needs too is made again.
    """
    said: dict[str, list[str]] = {}
    query = select(feedback.c.tenant, feedback.c.query).where(chosen).distinct()
    for tenant, text in connection.execute(query):
        said.setdefault(tenant, []).append(digest(text))
    if not said:
        return 0
    for tenant, digests in said.items():
        for some in batched(digests):
            made = (vectors.c.tenant == tenant, vectors.c.digest.in_(some))
            connection.execute(delete(vectors).where(*made))
        count_erasure(connection, Scope(tenant=tenant).everyone)
    return connection.execute(delete(feedback).where(chosen)).rowcount


def erase_chunks(connection: Connection, owner: Scope, ids: Sequence[str]) -> int:
    """Delete chunks of one memory; return how many there were."""
    gone = 0
    for some in batched(ids):
        chosen = (within(chunks.c, owner), chunks.c.id.in_(some))
        gone += connection.execute(delete(chunks).where(*chosen)).rowcount
    if gone:
        count_erasure(connection, owner)
    return gone
