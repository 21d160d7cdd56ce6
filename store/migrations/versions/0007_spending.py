"""What was spent each day, so that limits of a day and of a session are read quickly."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

KEY = ("tenant", "day", "user_id", "session", "agent", "model")


def upgrade() -> None:
    """Create the table, and count what the ledger holds."""
    spending = op.create_table(
        "spending",
        *(sa.Column(name, sa.String(), nullable=False) for name in KEY),
        sa.Column("counted_nano", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*KEY, name="pk_spending"),
    )
    op.create_index(
        "ix_spending_tenant_user_id_session", "spending", ["tenant", "user_id", "session"]
    )
    names = ("tenant", "user_id", "session", "agent", "model", "status")
    ledger = sa.table(
        "ledger",
        *map(sa.column, (*names, "reserved_nano", "settled_nano")),
        sa.column("created_at", sa.DateTime(timezone=True)),
    )
    columns = ledger.c
    counted = sa.case(
        (columns.status == "settled", columns.settled_nano),
        (columns.status == "released", 0),
        else_=sa.func.coalesce(columns.reserved_nano, 0),
    )
    key = {
        "tenant": columns.tenant,
        "day": sa.cast(sa.func.date(columns.created_at), sa.String()),
        "user_id": columns.user_id,
        "session": sa.func.coalesce(columns.session, ""),
        "agent": sa.func.coalesce(columns.agent, ""),
        "model": columns.model,
    }
    rows = sa.select(
        *(column.label(name) for name, column in key.items()),
        sa.cast(sa.func.sum(counted), sa.BigInteger()).label("counted_nano"),
    ).group_by(*key.values())
    op.execute(spending.insert().from_select([*key, "counted_nano"], rows))
