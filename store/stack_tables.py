"""The tables of the stacks, which only a PostgreSQL with pgvector has.

They are derived: all that they hold is told by `chunks` too, and a chunk that is deleted takes its
row along. A change here needs a migration.
"""

from __future__ import annotations

from typing import Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    REAL,
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Named,
    Table,
    cast,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY

from .tables import Scoped, chunks
from .tables import metadata as of_all

DIMENSIONS = (384, 512, 768, 1024)
"""Lengths of vectors that an index finds; others are compared one by one."""

metadata = MetaData(naming_convention=of_all.naming_convention)


class StackColumns(Scoped):
    """One row per memory: up to which `sequence` its chunks are stacked, after which `erasures`.

    `chunks` and `words` are how many there are; of what was deleted they may still count a tenth.
    """

    tenant: Named[str] = Column(primary_key=True)
    user_id: Named[str] = Column(primary_key=True)
    sequence: Named[int] = Column(BigInteger)
    erasures: Named[int] = Column(BigInteger)
    chunks: Named[int] = Column(BigInteger)
    words: Named[int] = Column(BigInteger)


class StackedColumns(Scoped):
    """A chunk as it is found: numbers of the ranking, its words as numbers, its vector in 16 bits.

    `thread` is the session, or the run of what was said in none; `words` how many words it has;
    `terms` are numbers of its words, one for each time, and of its writer's names.
    """

    tenant: Named[str] = Column(primary_key=True)
    user_id: Named[str] = Column(primary_key=True)
    id: Named[str] = Column(primary_key=True)
    sequence: Named[int] = Column(BigInteger)
    thread: Named[str]
    agent: Named[str | None]
    day: Named[int]
    length: Named[float] = Column(REAL)
    asks: Named[bool]
    trust: Named[float] = Column(REAL)
    words: Named[int]
    terms: Named[Any] = Column(ARRAY(Integer), nullable=False)
    encoder: Named[str | None]
    embedding: Named[Any] = Column(HALFVEC(), nullable=True)


class StackedTermColumns(Scoped):
    """In how many chunks of a memory each term stands."""

    tenant: Named[str] = Column(primary_key=True)
    user_id: Named[str] = Column(primary_key=True)
    term: Named[int] = Column(primary_key=True, autoincrement=False)
    holders: Named[int] = Column(BigInteger)


stacks = Table("stacks", metadata, StackColumns)
stacked = Table("stacked", metadata, StackedColumns)
stacked_terms = Table("stacked_terms", metadata, StackedTermColumns)

stacked.append_constraint(
    ForeignKeyConstraint(
        [stacked.c.tenant, stacked.c.user_id, stacked.c.id],
        [chunks.c.tenant, chunks.c.user_id, chunks.c.id],
        name="fk_stacked_tenant",
        ondelete="CASCADE",
    )
)
Index(
    "ix_stacked_thread", stacked.c.tenant, stacked.c.user_id, stacked.c.thread, stacked.c.sequence
)
Index("ix_stacked_day", stacked.c.tenant, stacked.c.user_id, stacked.c.day)
Index(
    "ix_stacked_agent",
    stacked.c.tenant,
    stacked.c.user_id,
    stacked.c.agent,
    postgresql_where=stacked.c.agent.is_not(None),
)
Index(
    "ix_stacked_unread",
    stacked.c.tenant,
    stacked.c.user_id,
    postgresql_where=stacked.c.encoder.is_(None),
)
# The owner is part of every term, so that this index leads to chunks of one owner alone.
Index("ix_stacked_terms", stacked.c.terms, postgresql_using="gin")
for _dim in DIMENSIONS:
    Index(
        f"ix_stacked_embedding_{_dim}",
        cast(stacked.c.embedding, HALFVEC(_dim)).label("compared"),
        postgresql_using="hnsw",
        postgresql_ops={"compared": "halfvec_cosine_ops"},
        postgresql_where=func.vector_dims(stacked.c.embedding) == _dim,
    )
