"""Runs know how often a process died over them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the column; what died over a run before is not known."""
    op.add_column("runs", sa.Column("losses", sa.Integer(), nullable=False, server_default="0"))
