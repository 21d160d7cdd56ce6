"""The version of the registry with which each version of an agent came to be.

With it a process reads what changed since the version that it knows, instead of all agents.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Add the column; what is there counts as changed last, so that no reader misses it.

    It has no default: a process of the older version, which would not fill it, is refused.
    """
    column = sa.Column("registry_version", sa.Integer(), nullable=True)
    with op.batch_alter_table("agent_versions") as table:
        table.add_column(column)
    op.execute(
        "UPDATE agent_versions SET registry_version = COALESCE((SELECT registries.version "
        "FROM registries WHERE registries.tenant = agent_versions.tenant), 0)"
    )
    with op.batch_alter_table("agent_versions") as table:
        table.alter_column("registry_version", existing_type=sa.Integer(), nullable=False)
    op.create_index(
        "ix_agent_versions_tenant_registry_version",
        "agent_versions",
        ["tenant", "registry_version"],
    )
