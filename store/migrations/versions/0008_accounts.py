"""Calls of runs that an agent began know the run whose money they draw on."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the column; no call before drew on another run's money."""
    op.add_column("ledger", sa.Column("account", sa.String(), nullable=True))
    op.create_index("ix_ledger_account", "ledger", ["account"])
