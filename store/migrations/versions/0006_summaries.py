"""What lists and figures need of each run, titles of sessions, and for whom money was spent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Create the tables, tell of the runs that there are, and let the ledger say for whom."""
    summaries = op.create_table(
        "summaries",
        *_scope(),
        _column("run_id"),
        _column("status"),
        _column("created_at", sa.DateTime(timezone=True)),
        _column("latency_s", sa.Double(), nullable=True),
        _column("method", nullable=True),
        _column("in_scope", sa.Boolean(), nullable=True),
        _column("agents", sa.JSON()),
        _column("set_size", sa.Integer(), nullable=True),
        _column("models", sa.JSON()),
        _column("reasoned", sa.Boolean(), nullable=True),
        _column("reasoning_nano", sa.BigInteger(), nullable=True),
        _column("cost_nano", sa.BigInteger(), nullable=True),
        _column("known_nano", sa.BigInteger()),
        _column("input_tokens", sa.BigInteger(), nullable=True),
        _column("output_tokens", sa.BigInteger(), nullable=True),
        _column("replays", nullable=True),
        sa.PrimaryKeyConstraint("run_id", name="pk_summaries"),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_summaries_run_id", ondelete="CASCADE"
        ),
    )
    for columns in (
        ("tenant", "created_at"),
        ("tenant", "user_id", "created_at"),
        ("tenant", "user_id", "session", "created_at"),
    ):
        op.create_index(f"ix_summaries_{'_'.join(columns)}", "summaries", list(columns))
    op.create_table(
        "session_titles",
        _column("tenant"),
        _column("user_id"),
        _column("session"),
        _column("title", sa.Text()),
        sa.PrimaryKeyConstraint("tenant", "user_id", "session", name="pk_session_titles"),
    )
    with op.batch_alter_table("ledger") as table:
        table.add_column(sa.Column("step", sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("agent", sa.String(), nullable=True))
        table.add_column(sa.Column("input_tokens", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("output_tokens", sa.BigInteger(), nullable=True))
    op.create_index("ix_ledger_tenant_created_at", "ledger", ["tenant", "created_at"])
    op.create_index(
        "ix_steps_acts",
        "steps",
        ["tenant", "started_at", "user_id", "agent", "status", "latency_s"],
        sqlite_where=sa.text("name = 'act'"),
        postgresql_where=sa.text("name = 'act'"),
    )
    _tell_of_runs(summaries)


def _tell_of_runs(summaries: sa.Table) -> None:
    runs = sa.table(
        "runs",
        *map(sa.column, ("id", "tenant", "user_id", "session", "status")),
        sa.column("created_at", sa.DateTime(timezone=True)),
        sa.column("finished_at", sa.DateTime(timezone=True)),
        sa.column("decision", sa.JSON()),
    )
    connection = op.get_bind()
    for run in connection.execute(sa.select(runs)).all():
        decision = run.decision or {}
        agents = decision.get("agents", [])
        took = run.finished_at and (run.finished_at - run.created_at).total_seconds()
        row = {
            "tenant": run.tenant,
            "user_id": run.user_id,
            "session": run.session,
            "run_id": run.id,
            "status": run.status,
            "created_at": run.created_at,
            "latency_s": took,
            "method": decision.get("method"),
            "in_scope": decision.get("in_scope"),
            "agents": agents,
            "set_size": len(agents) if decision else None,
            **_used(connection, run.id),
        }
        connection.execute(summaries.insert(), row)


def _used(connection: sa.Connection, run_id: str) -> dict[str, Any]:
    columns = ("key", "model", "cost_nano", "input_tokens", "output_tokens")
    steps = sa.table("steps", sa.column("run_id"), *map(sa.column, columns))
    query = sa.select(*(steps.c[name] for name in columns)).where(steps.c.run_id == run_id)
    rows = connection.execute(query).all()
    calls = [row for row in rows if row.model is not None]
    judging = [row.cost_nano for row in calls if row.key.startswith("decide/")]

    def total(numbers: list[int | None]) -> int | None:
        return None if None in numbers else sum(number or 0 for number in numbers)

    return {
        "models": list(dict.fromkeys(row.model for row in calls)),
        "reasoned": bool(judging),
        "reasoning_nano": total(judging),
        "cost_nano": total([row.cost_nano for row in rows]),
        "known_nano": sum(row.cost_nano or 0 for row in rows),
        "input_tokens": total([row.input_tokens for row in rows]),
        "output_tokens": total([row.output_tokens for row in rows]),
    }


def _scope() -> tuple[sa.Column[Any], ...]:
    return _column("tenant"), _column("user_id"), _column("session", nullable=True)


def _column(name: str, kind: Any = None, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind or sa.String(), nullable=nullable, autoincrement=False)
