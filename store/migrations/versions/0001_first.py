"""The first tables: agents, runs, steps, events, memory, vectors, ledger.

A migration stands for good: it imports nothing of ours, so that it stays what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Create the tables and their indexes."""
    _agents()
    _runs()
    _memory()
    _ledger()


def _agents() -> None:
    _table("registries", _column("version", sa.Integer()), key=["tenant"])
    _table(
        "agents",
        _column("name"),
        _column("version", sa.Integer()),
        _column("spec", sa.JSON()),
        _column("created_at", _time()),
        _column("updated_at", _time()),
        key=["tenant", "name"],
    )
    _table(
        "agent_versions",
        _column("name"),
        _column("version", sa.Integer()),
        _column("spec", sa.JSON(), nullable=True),
        _column("created_at", _time()),
        _column("updated_at", _time()),
        key=["tenant", "name", "version"],
    )


def _runs() -> None:
    _table(
        "runs",
        _column("id"),
        _column("query", sa.Text()),
        _column("options", sa.JSON(), nullable=True),
        _column("status"),
        _column("created_at", _time()),
        _column("finished_at", _time(), nullable=True),
        _column("answer", sa.Text(), nullable=True),
        _column("decision", sa.JSON(), nullable=True),
        _column("error", sa.Text(), nullable=True),
        _column("cancel_requested", sa.Boolean()),
        _column("last_seq", sa.Integer()),
        _column("owner"),
        _column("fence", sa.Integer()),
        _column("lease_until", _time()),
        key=["id"],
    )
    _index("runs", "tenant", "user_id", "created_at")
    _index("runs", "tenant", "user_id", "session", "created_at")
    _index("runs", "status", "lease_until")
    _table(
        "steps",
        _column("run_id"),
        _column("key"),
        _column("id"),
        _column("parent_id", nullable=True),
        _column("name"),
        _column("agent", nullable=True),
        _column("model", nullable=True),
        _column("attempt", sa.Integer()),
        _column("status"),
        _column("started_at", _time()),
        _column("latency_s", sa.Double(), nullable=True),
        _column("input_tokens", sa.BigInteger(), nullable=True),
        _column("output_tokens", sa.BigInteger(), nullable=True),
        _column("cost_nano", sa.BigInteger(), nullable=True),
        _column("error", sa.Text(), nullable=True),
        _column("output", sa.JSON(), nullable=True),
        _of_a_run("steps"),
        key=["run_id", "key"],
    )
    _table(
        "events",
        _column("run_id"),
        _column("seq", sa.Integer()),
        _column("type"),
        _column("payload", sa.JSON()),
        _of_a_run("events"),
        key=["run_id", "seq"],
    )


def _memory() -> None:
    _table(
        "memories",
        _column("sequence", sa.BigInteger()),
        _column("erasures", sa.BigInteger()),
        key=["tenant", "user_id"],
    )
    _table(
        "chunks",
        _column("id"),
        _column("sequence", sa.BigInteger()),
        _column("run_id"),
        _column("writer"),
        _column("text", sa.Text()),
        _column("created_at", _time()),
        _column("tokens", sa.Integer()),
        _column("vector", sa.LargeBinary(), nullable=True),
        _column("trust", sa.Double()),
        _column("valid_from", _time(), nullable=True),
        _column("superseded_by", nullable=True),
        _column("expires_at", _time(), nullable=True),
        key=["tenant", "user_id", "id"],
    )
    _index("chunks", "tenant", "user_id", "sequence")
    _table(
        "vectors",
        _column("encoder"),
        _column("digest"),
        _column("vector", sa.LargeBinary()),
        key=["tenant", "user_id", "encoder", "digest"],
    )


def _ledger() -> None:
    _table(
        "ledger",
        _column("id"),
        _column("run_id"),
        _column("model"),
        _column("reserved_nano", sa.BigInteger(), nullable=True),
        _column("settled_nano", sa.BigInteger(), nullable=True),
        _column("status"),
        _column("created_at", _time()),
        _column("expires_at", _time()),
        key=["id"],
    )
    _index("ledger", "run_id")


def _table(name: str, *parts: Any, key: list[str]) -> None:
    """Create a table with the columns of its scope in front."""
    scope = (_column("tenant"), _column("user_id"), _column("session", nullable=True))
    op.create_table(name, *scope, *parts, sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"))


def _column(name: str, kind: Any = None, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind or sa.String(), nullable=nullable, autoincrement=False)


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _of_a_run(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["run_id"], ["runs.id"], name=f"fk_{table}_run_id", ondelete="CASCADE"
    )


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))
