"""A store on a real SQLite file, a clock that is set by hand, and short ways to make values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, inspect

import callboard.store.migrations
from callboard.store.chunks import ChunkRow
from callboard.store.claims import Claim
from callboard.store.engine import Store
from callboard.store.tables import metadata
from callboard.values import Scope, Step, Usage


def scripts() -> ScriptDirectory:
    """Return the migrations."""
    return ScriptDirectory.from_config(_config())


def migrate_to(connection: Connection, revision: str) -> None:
    """Bring the tables to where they were at a revision."""
    config = _config()
    config.attributes.update(connection=connection, metadata=metadata)
    command.upgrade(config, revision)


def declared(connection: Connection) -> list[MetaData]:
    """Return the tables that this database should have."""
    if not inspect(connection).has_table("stacks"):
        return [metadata]
    from callboard.store.stack_tables import metadata as of_stacks

    return [metadata, of_stacks]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(*callboard.store.migrations.__path__))
    return config


@dataclass
class Clock:
    now: datetime = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the URL of a new SQLite file, for what only SQLite has."""
    return f"sqlite:///{tmp_path}/test.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, sqlite_url: str) -> str:
    """Return the URL of an empty database; the test is run on one of each kind."""
    if request.param == "sqlite":
        return sqlite_url
    return str(request.getfixturevalue("postgres").new_database())


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    store = Store.open(url, clock=clock)
    yield store
    store.close()


@pytest.fixture
def scope() -> Scope:
    return Scope(tenant="acme", user="ann", session="s1")


@pytest.fixture
def begin(store: Store, scope: Scope) -> Callable[..., Claim]:
    def begin(
        run_id: str = "r1", query: str = "Why?", scope: Scope = scope, owner: str = "me"
    ) -> Claim:
        return store.runs.create(scope, run_id, query, options={}, owner=owner, lease_s=30)

    return begin


@pytest.fixture
def step(clock: Clock) -> Callable[..., Step]:
    def step(key: str, run_id: str = "r1", **fields: Any) -> Step:
        usage = Usage(input_tokens=10, output_tokens=5, cost_usd=Decimal("0.000123"))
        values = {"id": f"id-{key}", "name": "act", "started_at": clock(), "usage": usage}
        return Step(run_id=run_id, key=key, **(values | fields))

    return step


@pytest.fixture
def chunk(clock: Clock) -> Callable[..., ChunkRow]:
    def chunk(chunk_id: str, session: str | None = "s1", **fields: Any) -> ChunkRow:
        values = {"run_id": "r1", "writer": "user", "text": chunk_id, "tokens": 3}
        return ChunkRow(id=chunk_id, session=session, created_at=clock(), **(values | fields))

    return chunk
