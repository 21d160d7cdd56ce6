"""What PostgreSQL keeps of large memories, so that it finds in them by itself.

Only where the server has pgvector 0.8, which finds on where a filter left too little, and where
the extension is there or can be created. Elsewhere nothing changes, and memories are searched in
the process.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

DIMENSIONS = (384, 512, 768, 1024)
"""Lengths of vectors that an index finds; others are compared one by one."""

STACKS = """
CREATE TABLE stacks (
    tenant VARCHAR NOT NULL, user_id VARCHAR NOT NULL, session VARCHAR,
    sequence BIGINT NOT NULL, erasures BIGINT NOT NULL,
    chunks BIGINT NOT NULL, words BIGINT NOT NULL,
    CONSTRAINT pk_stacks PRIMARY KEY (tenant, user_id))
"""
STACKED = """
CREATE TABLE stacked (
    tenant VARCHAR NOT NULL, user_id VARCHAR NOT NULL, session VARCHAR, id VARCHAR NOT NULL,
    sequence BIGINT NOT NULL, thread VARCHAR NOT NULL, agent VARCHAR, day INTEGER NOT NULL,
    length REAL NOT NULL, asks BOOLEAN NOT NULL, trust REAL NOT NULL, words INTEGER NOT NULL,
    terms INTEGER[] NOT NULL, encoder VARCHAR, embedding HALFVEC,
    CONSTRAINT pk_stacked PRIMARY KEY (tenant, user_id, id),
    CONSTRAINT fk_stacked_tenant FOREIGN KEY (tenant, user_id, id)
        REFERENCES chunks (tenant, user_id, id) ON DELETE CASCADE)
"""
TERMS = """
CREATE TABLE stacked_terms (
    tenant VARCHAR NOT NULL, user_id VARCHAR NOT NULL, session VARCHAR, term INTEGER NOT NULL,
    holders BIGINT NOT NULL,
    CONSTRAINT pk_stacked_terms PRIMARY KEY (tenant, user_id, term))
"""
INDEXES = (
    "CREATE INDEX ix_stacked_thread ON stacked (tenant, user_id, thread, sequence)",
    "CREATE INDEX ix_stacked_day ON stacked (tenant, user_id, day)",
    "CREATE INDEX ix_stacked_agent ON stacked (tenant, user_id, agent) WHERE agent IS NOT NULL",
    "CREATE INDEX ix_stacked_unread ON stacked (tenant, user_id) WHERE encoder IS NULL",
    "CREATE INDEX ix_stacked_terms ON stacked USING gin (terms)",
    *(
        f"CREATE INDEX ix_stacked_embedding_{dim} ON stacked USING hnsw "
        f"((embedding::halfvec({dim})) halfvec_cosine_ops) WHERE vector_dims(embedding) = {dim}"
        for dim in DIMENSIONS
    ),
)


def upgrade() -> None:
    """Create the tables where that is possible."""
    if op.get_bind().dialect.name == "postgresql":
        create(op.get_bind())


def create(connection: sa.Connection) -> bool:
    """Create the tables; return False, and change nothing, where that is not possible."""
    if not _extended(connection):
        return False
    for statement in (STACKS, STACKED, TERMS, *INDEXES):
        connection.exec_driver_sql(statement)
    return True


def _extended(connection: sa.Connection) -> bool:
    """See that the extension is there."""
    found = connection.exec_driver_sql(
        "SELECT coalesce(installed_version, default_version), installed_version IS NOT NULL "
        "FROM pg_available_extensions WHERE name = 'vector'"
    ).first()
    if found is None or tuple(map(int, found[0].split(".")[:2])) < (0, 8):
        return False
    if not found[1]:
        try:
            with connection.begin_nested():
                connection.exec_driver_sql("CREATE EXTENSION vector")
        except sa.exc.DBAPIError:  # not allowed to this user
            return False
    # It may stand in a schema in which this user does not look.
    return bool(connection.exec_driver_sql("SELECT to_regtype('halfvec') IS NOT NULL").scalar())
