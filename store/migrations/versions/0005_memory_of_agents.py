"""Which agent alone a chunk is for, and the step of a run that it came from."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the columns: what was stored before is for all agents, of a step not known."""
    with op.batch_alter_table("chunks") as table:
        table.add_column(sa.Column("agent", sa.String(), nullable=True))
        table.add_column(sa.Column("step", sa.String(), nullable=True))
    op.create_index(
        "ix_chunks_tenant_user_id_superseded_by", "chunks", ["tenant", "user_id", "superseded_by"]
    )
