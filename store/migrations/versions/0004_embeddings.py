"""By which encoder a chunk was embedded, and its token vectors.

Vectors that were stored before say nothing of who made them: they are made again when needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the columns, empty."""
    with op.batch_alter_table("chunks") as table:
        table.add_column(sa.Column("encoder", sa.String(), nullable=True))
        table.add_column(sa.Column("token_vectors", sa.LargeBinary(), nullable=True))
    op.create_index("ix_chunks_tenant_user_id_encoder", "chunks", ["tenant", "user_id", "encoder"])
