"""What users say of the agents of a run, and how far each tenant's feedback has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Create the tables and their indexes."""
    op.create_table(
        "feedback_marks",
        *_scope(),
        _column("seq", sa.BigInteger()),
        sa.PrimaryKeyConstraint("tenant", name="pk_feedback_marks"),
    )
    op.create_table(
        "feedback",
        *_scope(),
        _column("id"),
        _column("agent"),
        _column("run_id"),
        _column("query", sa.Text()),
        _column("score", sa.Double()),
        _column("comment", sa.Text()),
        _column("created_at", sa.DateTime(timezone=True)),
        _column("undone_at", sa.DateTime(timezone=True), nullable=True),
        _column("seq", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", "agent", name="pk_feedback"),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_feedback_run_id", ondelete="CASCADE"
        ),
    )
    for columns in (("tenant", "seq"), ("tenant", "user_id", "created_at"), ("run_id",)):
        op.create_index(f"ix_feedback_{'_'.join(columns)}", "feedback", list(columns))


def _scope() -> tuple[sa.Column[Any], ...]:
    return _column("tenant"), _column("user_id"), _column("session", nullable=True)


def _column(name: str, kind: Any = None, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind or sa.String(), nullable=nullable, autoincrement=False)
