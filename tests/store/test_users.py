"""Forgetting a user: nothing of them is left in any table or file, and others keep everything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from table_rows import fill

from callboard.store.allowance import Allowance
from callboard.store.booking import settling
from callboard.store.database import Database
from callboard.store.engine import Store
from callboard.store.tables import metadata
from callboard.store.users import ANYWHERE, DELETED, OF_TENANT
from callboard.values import Scope, Usage

CANARY = "zwitscherling"
ANN = Scope(tenant="acme", user=f"ann-{CANARY}")
BOB = Scope(tenant="acme", user="bob")
NAMESAKE = Scope(tenant="umbrella", user=ANN.user)

DELETES = {
    "api_keys",
    "chunks",
    "events",
    "feedback",
    "memories",
    "runs",
    "session_titles",
    "steps",
    "summaries",
    "vectors",
}
"""Tables whose rows of a user are deleted when the user is forgotten."""


@pytest.fixture
def database(store: Store, url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


def rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Return all that the database holds."""
    with database.reading() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in metadata.sorted_tables
        }


def of(found: dict[str, list[dict[str, Any]]], scope: Scope) -> dict[str, list[dict[str, Any]]]:
    owner = {"tenant": scope.tenant, "user_id": scope.user}.items()
    return {name: [row for row in some if owner <= row.items()] for name, some in found.items()}


def test_it_was_thought_of_for_every_table_what_becomes_of_a_users_rows() -> None:
    """Whoever adds a table says here what forgetting does to it: delete, or only the name."""
    named = {table.name for table in metadata.sorted_tables if "user_id" in table.c}
    assert named == DELETES | {table.name for table in OF_TENANT}
    assert named == set(metadata.tables)


def test_of_a_user_nothing_is_left_in_any_table(store: Store, database: Database) -> None:
    # Of these columns no user says what is in them.
    expert = {"serves": [], "card": {}}
    agent = {
        **expert,
        "spec": {},
        "name": "billing",
        "agent": "billing",
        "model": "main",
        "step": "act",
    }
    ids = {"id": "r1", "run_id": "r1", "account": "r1"}
    change = {
        "key_id": "cb_1",
        "action": "forget user",
        "object": ANN.user,
        "detail": {},
        "outcome": "done",
        "error": "none",
    }
    fill(database, CANARY, tenant="acme", user=ANN.user, **agent, **ids, **change)
    others = {"registries", "feedback_marks", "expert_marks"}  # one row per tenant
    fill(database, "harmless", tenant="umbrella", user=ANN.user)
    fill(
        database,
        "fine",
        tenant="acme",
        user="bob",
        without=others,
        **agent | {"name": "dates", "agent": "dates"},
    )
    before = rows(database)
    assert {name for name, some in of(before, ANN).items() if some} == set(metadata.tables)
    gone = store.users.forget(ANN)
    assert dict(gone) == dict.fromkeys(metadata.tables, 1) | {"runs": 1}
    assert store.users.kept(ANN) == {}
    after = rows(database)
    assert CANARY not in repr(after).replace(NAMESAKE.user, "")
    assert of(after, NAMESAKE) == of(before, NAMESAKE)
    kept = of(after, BOB)
    assert kept == of(before, BOB)
    for table in OF_TENANT:
        (row,) = [row for row in after[table.name] if row["user_id"] == DELETED]
        assert row["session"] in (None, "")


def test_the_files_of_sqlite_hold_nothing_of_a_user_any_more(
    sqlite_url: str, tmp_path: Path, chunk: Any
) -> None:
    store, other = Store.open(sqlite_url), Store.open(sqlite_url)
    words = f" {CANARY}".join(["word"] * 2000)  # pages of it
    store.chunks.add(ANN, [chunk(f"c{n}", text=f"{n} {words}") for n in range(50)])
    claim = store.runs.create(ANN, "r1", words, options={}, owner="me", lease_s=30)
    other.chunks.add(BOB, [chunk("b", text="Bob's")])
    files = [file for file in tmp_path.iterdir() if file.name.startswith("test.db")]
    assert any(CANARY.encode() in file.read_bytes() for file in files)
    store.users.forget(ANN)
    for file in files:
        assert CANARY.encode() not in file.read_bytes(), file.name
    assert [row.text for row in other.chunks.all(BOB)] == ["Bob's"]
    assert claim.run_id == "r1"
    store.close()
    other.close()


def test_money_that_was_paid_stays_countable(store: Store, clock: Any) -> None:
    for scope, session, usd in ((ANN, CANARY, 3), (ANN, "s2", 4), (BOB, "s1", 5)):
        asked = Scope(tenant="acme", user=scope.user, session=session)
        meter = store.ledger.meter(asked, "r1", allowance=Allowance(), step="act", agent="a")
        reservation, booking = meter.reserving(Decimal(usd), "main")
        store.ledger.book(booking)
        store.ledger.book(settling(asked, reservation, Usage(cost_usd=Decimal(usd))))
    store.users.forget(ANN)
    store.users.forget(ANN)
    spent = {one.user: one.known_usd for one in store.ledger.spend(BOB, everyone=True)}
    assert spent == {DELETED: 7, "bob": 5}
    limited = Allowance(daily_usd=Decimal(13))
    _, more = store.ledger.meter(BOB, "r2", allowance=limited).reserving(Decimal(2), "main")
    store.ledger.book(more)
    assert "1 of the day's 13 USD" in str(more.refused)
    # Another who is forgotten on the same day is added to it.
    store.users.forget(BOB)
    spent = {one.user: one.known_usd for one in store.ledger.spend(BOB, everyone=True)}
    assert spent == {DELETED: 12}


def test_what_an_agent_asked_for_a_user_is_forgotten_with_them(store: Store, chunk: Any) -> None:
    local = Scope(tenant="acme")
    store.runs.create(ANN, "r1", "Mine.", options={}, owner="me", lease_s=30)
    for run_id, options in (
        ("nested", {"account": {"run_id": "r1", "limit_usd": None}}),
        ("other", {"account": None}),
        ("older", {}),
    ):
        store.runs.create(local, run_id, CANARY, options=options, owner="me", lease_s=30)
        store.chunks.add(local, [chunk(run_id, run_id=run_id, session=None, text=CANARY)])
    mark = store.chunks.mark(local)
    assert {run_id for _, run_id in store.users.going(ANN)} == {"r1", "nested"}
    gone = store.users.forget(ANN)
    assert (gone["runs"], gone["chunks"]) == (2, 1)
    assert {run.id for run in store.runs.list(local)} == {"other", "older"}
    assert {row.id for row in store.chunks.all(local)} == {"other", "older"}
    assert store.chunks.mark(local).erasures == mark.erasures + 1


def test_a_user_of_the_same_name_begins_with_an_empty_memory(store: Store, chunk: Any) -> None:
    before = store.chunks.mark(ANYWHERE)
    store.chunks.add(ANN, [chunk("c1")])
    store.users.forget(ANN)
    assert store.chunks.mark(ANYWHERE).erasures > before.erasures  # indexes are told
    assert store.chunks.all(ANN) == ()
    store.chunks.add(ANN, [chunk("c1", text="new")])
    assert [row.text for row in store.chunks.all(ANN)] == ["new"]


def test_an_export_is_all_of_the_user_and_of_nobody_else(store: Store, database: Database) -> None:
    fill(database, CANARY, tenant="acme", user=ANN.user, key=CANARY)
    fill(database, "other words", tenant="umbrella", user=ANN.user)
    told = json.loads(json.dumps(store.users.export(ANN)))
    assert set(told) == set(metadata.tables)
    assert told["runs"][0]["query"] == CANARY
    assert told["runs"][0]["created_at"] == "2026-01-15T12:00:00.123456+00:00"
    assert "vector" not in told["chunks"][0]
    assert "other words" not in json.dumps(told)
    assert store.users.export(BOB) == {}
