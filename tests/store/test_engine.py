from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from callboard.errors import InvalidInput, StoreError
from callboard.store.database import Database
from callboard.store.engine import Store
from callboard.values import Scope


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere.* does not exist. Create it"):
        Store.open(f"sqlite:///{tmp_path}/nowhere/test.db")


def test_a_folder_is_not_a_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        Store.open(f"sqlite:///{tmp_path}")


def test_a_corrupt_file_is_left_alone_and_named(tmp_path: Path) -> None:
    file = tmp_path / "test.db"
    file.write_bytes(b"This is no database. " * 200)
    with pytest.raises(StoreError, match=r"test\.db.*not a SQLite file.*Restore it"):
        Store.open(f"sqlite:///{file}")
    assert file.read_bytes() == b"This is no database. " * 200


def test_damaged_pages_are_named(sqlite_url: str, tmp_path: Path) -> None:
    Store.open(sqlite_url).close()
    file = tmp_path / "test.db"
    file.write_bytes(file.read_bytes()[:100] + b"\xff" * (file.stat().st_size - 100))
    with pytest.raises(StoreError, match="damaged"):
        Store.open(sqlite_url)


@pytest.mark.parametrize("bad", ["", "callboard.db", "nosuch://x/y", "sqlite+nosuch:///x.db"])
def test_a_bad_url_shows_a_good_one(bad: str) -> None:
    with pytest.raises(StoreError, match=r"sqlite:///callboard\.db"):
        Store.open(bad)


def test_an_unsupported_kind_shows_a_good_one() -> None:
    with pytest.raises(StoreError, match=r"(?s)'mysql\+.*not supported.*postgresql"):
        Store.open("mysql+pymysql://u:secret@localhost/x")


def test_a_missing_driver_is_named_with_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"needs the package 'psycopg'.*callboard\[postgres\]"):
        Store.open("postgresql+psycopg://u:secret@127.0.0.1:1/x")


def test_a_password_is_never_shown() -> None:
    with pytest.raises(StoreError) as caught:
        Store.open("postgresql+psycopg://u:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)


def test_sqlite_runs_in_wal_mode_with_foreign_keys(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.reading() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    database.close()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 1,
        "foreign_keys": 1,
        "busy_timeout": 15_000,
    }


def test_a_database_in_memory_is_shared_by_all_threads() -> None:
    store = Store.open("sqlite://")
    scope = Scope()
    writer = threading.Thread(
        target=lambda: store.agents.put(scope, "a", {"name": "a"}, replace=False)
    )
    writer.start()
    writer.join()
    assert store.agents.version(scope) == 1
    store.close()


def test_an_up_to_date_database_opens_without_alembic_and_orm(url: str) -> None:
    Store.open(url).close()
    script = (
        "import sys; from callboard.store.engine import Store; Store.open(sys.argv[1]).close();"
        "print([m for m in ('alembic', 'sqlalchemy.orm') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, url], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


async def test_calls_to_sqlite_run_in_order_off_the_event_loop(store: Store) -> None:
    seen: list[tuple[int, int]] = []

    def note(number: int) -> int:
        seen.append((number, threading.get_ident()))
        return number

    assert await asyncio.gather(*(store.call(note, n) for n in range(50))) == list(range(50))
    assert [number for number, _ in seen] == list(range(50))
    assert {thread for _, thread in seen}.isdisjoint({threading.get_ident()})


async def test_a_call_hands_arguments_and_errors_through(store: Store, scope: Scope) -> None:
    row = await store.call(store.agents.put, scope, "a", {"x": 1}, replace=False)
    assert row == await store.call(store.agents.get, scope, "a")
    with pytest.raises(InvalidInput):
        await store.call(store.agents.put, scope, "a", {"x": 2}, replace=False)


async def test_a_closed_store_says_so(url: str) -> None:
    store = Store.open(url)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.call(store.agents.version, Scope())


def test_a_transaction_that_raises_changes_nothing(store: Store, url: str, scope: Scope) -> None:
    database = Database(url)
    row = "INSERT INTO registries (tenant, user_id, version) VALUES ('acme', 'ann', 7)"

    def fail() -> None:
        with database.writing() as connection:
            connection.exec_driver_sql(row)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    database.close()
    assert store.agents.version(scope) == 0
