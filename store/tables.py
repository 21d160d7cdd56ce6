"""The tables as SQLAlchemy types them.

Every table carries the columns of its `Scope`. Money is an integer of nano-USD. The tables are
Core tables: rows become the frozen values of `values.py` in the repositories, so that the object
mapper, whose import takes longer than a query, is not needed. A change here needs a migration.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Named,
    Table,
    TypedColumns,
    and_,
)

from ..values import Scope
from .columns import JSON_VALUE, Prose, UtcTime

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


class Scoped(TypedColumns):
    """Whose row it is. `user` is a reserved word in PostgreSQL."""

    tenant: Named[str]
    user_id: Named[str]
    session: Named[str | None]


def within(columns: Scoped, scope: Scope) -> ColumnElement[bool]:
    """Hold for the rows of the scope's tenant and user, and of its session if it names one."""
    owner = and_(columns.tenant == scope.tenant, columns.user_id == scope.user)
    return owner if scope.session is None else and_(owner, columns.session == scope.session)


def scoped(scope: Scope) -> dict[str, Any]:
    """Return the scope as the values of a new row."""
    return {"tenant": scope.tenant, "user_id": scope.user, "session": scope.session}


class RegistryColumns(Scoped):
    """The registry of each tenant; its version grows with every change."""

    tenant: Named[str] = Column(primary_key=True)
    version: Named[int]


class AgentColumns(Scoped):
    """The agents that can be called now. `user_id` registered this version."""

    tenant: Named[str] = Column(primary_key=True)
    name: Named[str] = Column(primary_key=True)
    version: Named[int]
    spec: Named[Any] = Column(JSON_VALUE, nullable=False)
    created_at: Named[datetime] = Column(UtcTime)
    updated_at: Named[datetime] = Column(UtcTime)


class AgentVersionColumns(Scoped):
    """What every agent was at each of its versions; `spec` NULL: it was removed.

    `registry_version` is that of the tenant's registry with which this one came to be.
    """

    tenant: Named[str] = Column(primary_key=True)
    name: Named[str] = Column(primary_key=True)
    version: Named[int] = Column(primary_key=True, autoincrement=False)
    registry_version: Named[int]
    spec: Named[Any] = Column(JSON_VALUE, nullable=True)
    created_at: Named[datetime] = Column(UtcTime)
    updated_at: Named[datetime] = Column(UtcTime)


class RunColumns(Scoped):
    """One query each. Who works on it: `owner` until `lease_until`, as the `fence`-th claim.

    `owner` is empty while nobody does. `losses` counts how often an owner died over it since it
    last got on.
    """

    id: Named[str] = Column(primary_key=True)
    query: Named[str] = Column(Prose)
    options: Named[Any] = Column(JSON_VALUE, nullable=True)
    status: Named[str]
    created_at: Named[datetime] = Column(UtcTime)
    finished_at: Named[datetime | None] = Column(UtcTime)
    answer: Named[str | None] = Column(Prose)
    decision: Named[Any] = Column(JSON_VALUE, nullable=True)
    error: Named[str | None] = Column(Prose)
    cancel_requested: Named[bool]
    last_seq: Named[int]
    owner: Named[str]
    fence: Named[int]
    lease_until: Named[datetime] = Column(UtcTime)
    losses: Named[int]


class SummaryColumns(Scoped):
    """What lists and figures need of each run, apart from its words: ten thousand are a quick read.

    `reasoning_nano` is what a model that judged the routing cost; `known_nano` what is known of
    the cost. Written with the run, of which it tells nothing that is not there.
    """

    run_id: Named[str] = Column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    status: Named[str]
    created_at: Named[datetime] = Column(UtcTime)
    latency_s: Named[float | None]
    method: Named[str | None]
    in_scope: Named[bool | None]
    agents: Named[Any] = Column(JSON_VALUE, nullable=False)
    set_size: Named[int | None]
    models: Named[Any] = Column(JSON_VALUE, nullable=False)
    reasoned: Named[bool | None]
    reasoning_nano: Named[int | None] = Column(BigInteger)
    cost_nano: Named[int | None] = Column(BigInteger)
    known_nano: Named[int] = Column(BigInteger)
    input_tokens: Named[int | None] = Column(BigInteger)
    output_tokens: Named[int | None] = Column(BigInteger)
    replays: Named[str | None]


class SessionTitleColumns(Scoped):
    """What users called their sessions; one without a title is called by its first query."""

    tenant: Named[str] = Column(primary_key=True)
    user_id: Named[str] = Column(primary_key=True)
    session: Named[str] = Column(primary_key=True)  # type: ignore[assignment]
    title: Named[str] = Column(Prose)


class StepColumns(Scoped):
    """What each run did; `key` stays the same when a run is resumed."""

    run_id: Named[str] = Column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    key: Named[str] = Column(primary_key=True)
    id: Named[str]
    parent_id: Named[str | None]
    name: Named[str]
    agent: Named[str | None]
    model: Named[str | None]
    attempt: Named[int]
    status: Named[str]
    started_at: Named[datetime] = Column(UtcTime)
    latency_s: Named[float | None]
    input_tokens: Named[int | None] = Column(BigInteger)
    output_tokens: Named[int | None] = Column(BigInteger)
    cost_nano: Named[int | None] = Column(BigInteger)
    error: Named[str | None] = Column(Prose)
    output: Named[Any] = Column(JSON_VALUE, nullable=True)


class EventColumns(Scoped):
    """The event log of each run, from 1 without a gap; `type` is the class of the body."""

    run_id: Named[str] = Column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    seq: Named[int] = Column(primary_key=True, autoincrement=False)
    type: Named[str]
    payload: Named[Any] = Column(JSON_VALUE, nullable=False)


class FeedbackMarkColumns(Scoped):
    """One row per tenant: `seq` counts the changes of its feedback."""

    tenant: Named[str] = Column(primary_key=True)
    seq: Named[int] = Column(BigInteger)


class FeedbackColumns(Scoped):
    """What a user said of the agents of a run, one row per agent; `seq`: its last change."""

    id: Named[str] = Column(primary_key=True)
    agent: Named[str] = Column(primary_key=True)
    run_id: Named[str] = Column(ForeignKey("runs.id", ondelete="CASCADE"))
    query: Named[str] = Column(Prose)
    score: Named[float]
    comment: Named[str] = Column(Prose)
    created_at: Named[datetime] = Column(UtcTime)
    undone_at: Named[datetime | None] = Column(UtcTime)
    seq: Named[int] = Column(BigInteger)


class MemoryColumns(Scoped):
    """One row per user: `sequence` counts chunks added, `erasures` how often some were deleted."""

    tenant: Named[str] = Column(primary_key=True)
    user_id: Named[str] = Column(primary_key=True)
    sequence: Named[int] = Column(BigInteger)
    erasures: Named[int] = Column(BigInteger)


class ChunkColumns(Scoped):
    """What is remembered of the turns."""

    tenant: Named[str] = Column(primary_key=True)
    user_id: Named[str] = Column(primary_key=True)
    id: Named[str] = Column(primary_key=True)
    sequence: Named[int] = Column(BigInteger)
    run_id: Named[str]
    writer: Named[str]
    text: Named[str] = Column(Prose)
    created_at: Named[datetime] = Column(UtcTime)
    tokens: Named[int]
    vector: Named[bytes | None] = Column(LargeBinary)
    encoder: Named[str | None]
    token_vectors: Named[bytes | None] = Column(LargeBinary)
    trust: Named[float]
    valid_from: Named[datetime | None] = Column(UtcTime)
    superseded_by: Named[str | None]
    expires_at: Named[datetime | None] = Column(UtcTime)
    agent: Named[str | None]
    step: Named[str | None]


class VectorColumns(Scoped):
    """Embeddings by encoder and text; `digest` is the SHA-256 of the text in hex."""

    tenant: Named[str] = Column(primary_key=True)
    user_id: Named[str] = Column(primary_key=True)
    encoder: Named[str] = Column(primary_key=True)
    digest: Named[str] = Column(primary_key=True)
    vector: Named[bytes] = Column(LargeBinary)


class LedgerColumns(Scoped):
    """Money set aside for calls and what they cost. A run id here needs no row in `runs`.

    `step` is the step of the turn that called, and `agent` the one that it worked for. `account` is
    the run whose money is spent, where that is another one.
    """

    id: Named[str] = Column(primary_key=True)
    run_id: Named[str]
    model: Named[str]
    step: Named[str]
    agent: Named[str | None]
    account: Named[str | None]
    input_tokens: Named[int | None] = Column(BigInteger)
    output_tokens: Named[int | None] = Column(BigInteger)
    reserved_nano: Named[int | None] = Column(BigInteger)
    settled_nano: Named[int | None] = Column(BigInteger)
    status: Named[str]
    created_at: Named[datetime] = Column(UtcTime)
    expires_at: Named[datetime] = Column(UtcTime)


class SpendingColumns(TypedColumns):
    """What counts of each day (UTC, `2026-11-28`) by session, agent and model; "" is none."""

    tenant: Named[str] = Column(primary_key=True)
    day: Named[str] = Column(primary_key=True)
    user_id: Named[str] = Column(primary_key=True)
    session: Named[str] = Column(primary_key=True)
    agent: Named[str] = Column(primary_key=True)
    model: Named[str] = Column(primary_key=True)
    counted_nano: Named[int] = Column(BigInteger)


class KeyColumns(Scoped):
    """Keys of the HTTP API; `digest` is the SHA-256 of the whole key in hex.

    `calls` were made in the minute `minute` (since 1970), and `calls_before` in the one before.
    """

    id: Named[str] = Column(primary_key=True)
    digest: Named[str]
    name: Named[str] = Column(Prose)
    roles: Named[Any] = Column(JSON_VALUE, nullable=False)
    agents: Named[Any] = Column(JSON_VALUE, nullable=True)
    per_minute: Named[int | None]
    at_once: Named[int | None]
    created_at: Named[datetime] = Column(UtcTime)
    expires_at: Named[datetime | None] = Column(UtcTime)
    revoked_at: Named[datetime | None] = Column(UtcTime)
    last_used_at: Named[datetime | None] = Column(UtcTime)
    minute: Named[int] = Column(BigInteger)
    calls: Named[int]
    calls_before: Named[int]


class ChangeColumns(Scoped):
    """The audit log: who asked for what change, and what became of it."""

    id: Named[str] = Column(primary_key=True)
    key_id: Named[str | None]
    action: Named[str]
    object: Named[str] = Column(Prose)
    detail: Named[Any] = Column(JSON_VALUE, nullable=True)
    outcome: Named[str]
    error: Named[str | None] = Column(Prose)
    created_at: Named[datetime] = Column(UtcTime)


class ExpertMarkColumns(Scoped):
    """One row per tenant: `seq` counts the changes of its experts."""

    tenant: Named[str] = Column(primary_key=True)
    seq: Named[int] = Column(BigInteger)


class ExpertColumns(Scoped):
    """Experts that read queries; `seq`: the change with which each came to be what it is.

    `serves` are the collections that it reads queries for, `card` what `file` tells of itself.
    """

    tenant: Named[str] = Column(primary_key=True)
    name: Named[str] = Column(primary_key=True)
    seq: Named[int] = Column(BigInteger)
    serves: Named[Any] = Column(JSON_VALUE, nullable=False)
    card: Named[Any] = Column(JSON_VALUE, nullable=False)
    file: Named[bytes] = Column(LargeBinary)
    created_at: Named[datetime] = Column(UtcTime)


registries = Table("registries", metadata, RegistryColumns)
agents = Table("agents", metadata, AgentColumns)
agent_versions = Table("agent_versions", metadata, AgentVersionColumns)
runs = Table("runs", metadata, RunColumns)
summaries = Table("summaries", metadata, SummaryColumns)
session_titles = Table("session_titles", metadata, SessionTitleColumns)
steps = Table("steps", metadata, StepColumns)
events = Table("events", metadata, EventColumns)
feedback_marks = Table("feedback_marks", metadata, FeedbackMarkColumns)
feedback = Table("feedback", metadata, FeedbackColumns)
memories = Table("memories", metadata, MemoryColumns)
chunks = Table("chunks", metadata, ChunkColumns)
vectors = Table("vectors", metadata, VectorColumns)
ledger = Table("ledger", metadata, LedgerColumns)
spending = Table("spending", metadata, SpendingColumns)
api_keys = Table("api_keys", metadata, KeyColumns)
changes = Table("changes", metadata, ChangeColumns)
expert_marks = Table("expert_marks", metadata, ExpertMarkColumns)
experts = Table("experts", metadata, ExpertColumns)

Index(None, agent_versions.c.tenant, agent_versions.c.registry_version)
Index(None, runs.c.tenant, runs.c.user_id, runs.c.created_at)
Index(None, runs.c.tenant, runs.c.user_id, runs.c.session, runs.c.created_at)
Index(None, runs.c.status, runs.c.lease_until)
Index(None, summaries.c.tenant, summaries.c.created_at)
Index(None, summaries.c.tenant, summaries.c.user_id, summaries.c.created_at)
Index(None, summaries.c.tenant, summaries.c.user_id, summaries.c.session, summaries.c.created_at)
Index(None, feedback.c.tenant, feedback.c.seq)
Index(None, feedback.c.tenant, feedback.c.user_id, feedback.c.created_at)
Index(None, feedback.c.run_id)
Index(None, chunks.c.tenant, chunks.c.user_id, chunks.c.sequence)
Index(None, chunks.c.tenant, chunks.c.user_id, chunks.c.encoder)
Index(None, chunks.c.tenant, chunks.c.user_id, chunks.c.superseded_by)
Index(None, ledger.c.run_id)
Index(None, ledger.c.account)
Index(None, ledger.c.tenant, ledger.c.created_at)
Index(None, spending.c.tenant, spending.c.user_id, spending.c.session)
Index(None, api_keys.c.tenant, api_keys.c.created_at)
Index(None, changes.c.tenant, changes.c.created_at)
# What agents did, told without reading what they gave.
Index(
    "ix_steps_acts",
    steps.c.tenant,
    steps.c.started_at,
    steps.c.user_id,
    steps.c.agent,
    steps.c.status,
    steps.c.latency_s,
    sqlite_where=steps.c.name == "act",
    postgresql_where=steps.c.name == "act",
)
