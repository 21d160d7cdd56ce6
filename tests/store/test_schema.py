from __future__ import annotations

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from callboard.errors import StoreError
from callboard.store.database import Database
from callboard.store.engine import Store
from callboard.store.schema import HEAD
from callboard.store.tables import metadata
from callboard.values import Scope

from .conftest import declared, migrate_to, scripts


def names_of(url: str) -> list[str]:
    """Return the names of the tables that a database has."""
    engine = create_engine(url)
    names = inspect(engine).get_table_names()
    engine.dispose()
    return names


def test_the_migrated_tables_are_the_declared_ones(url: str) -> None:
    Store.open(url).close()
    database = Database(url)
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, declared(connection)) == []
    database.close()


def test_every_table_says_whose_rows_it_holds() -> None:
    from callboard.store.stack_tables import metadata as of_stacks

    for table in (*metadata.sorted_tables, *of_stacks.sorted_tables):
        assert {"tenant", "user_id", "session"} <= set(table.c.keys())


def test_head_is_the_last_migration() -> None:
    assert scripts().get_current_head() == HEAD


def test_an_empty_database_is_migrated_once(url: str) -> None:
    first = Store.open(url)
    assert first.upgrade() == (None, HEAD)
    first.close()
    second = Store.open(url)
    assert second.upgrade() == (HEAD, HEAD)
    second.close()


def test_without_leave_to_migrate_an_empty_database_stays_empty(url: str) -> None:
    with pytest.raises(StoreError, match="callboard db upgrade"):
        Store.open(url, migrate=False)
    assert names_of(url) == []
    Store.open(url).close()
    Store.open(url, migrate=False).close()


@pytest.mark.parametrize("migrate", [True, False])
def test_a_database_of_a_newer_version_is_refused_and_left_alone(url: str, migrate: bool) -> None:
    store = Store.open(url)
    store.agents.put(Scope(), "a", {"x": 1}, replace=False)
    store.close()
    database = Database(url)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"newer version.*'9999'.*pip install --upgrade"):
        Store.open(url, migrate=migrate)
    with database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{HEAD}'")
    database.close()
    store = Store.open(url)
    assert store.agents.get(Scope(), "a").spec == {"x": 1}
    store.close()


def test_agents_of_the_first_version_stay_and_count_as_changed(url: str) -> None:
    database = Database(url)
    with database.writing() as connection:
        migrate_to(connection, "0001")
    at = "'2026-01-15 12:00:00.000000'"
    with database.writing() as connection:
        for statement in (
            "INSERT INTO registries (tenant, user_id, version) VALUES ('local', 'local', 3)",
            "INSERT INTO agents (tenant, user_id, name, version, spec, created_at, updated_at) "
            f"VALUES ('local', 'local', 'a', 2, '{{\"n\": 2}}', {at}, {at})",
            "INSERT INTO agent_versions (tenant, user_id, name, version, spec, created_at, "
            f"updated_at) VALUES ('local', 'local', 'a', 1, '{{\"n\": 1}}', {at}, {at}), "
            f"('local', 'local', 'a', 2, '{{\"n\": 2}}', {at}, {at}), "
            f"('local', 'local', 'b', 1, NULL, {at}, {at})",
        ):
            connection.exec_driver_sql(statement)
    database.close()
    store = Store.open(url)
    version, (row,) = store.agents.snapshot(Scope())
    assert (version, row.name, row.version, row.spec) == (3, "a", 2, {"n": 2})
    assert [old.spec for old in store.agents.history(Scope(), "a")] == [{"n": 1}, {"n": 2}]
    changes = store.agents.changes(Scope(), 0)[1]
    assert {one.name: one.spec for one in changes} == {"a": {"n": 2}, "b": None}
    assert store.agents.changes(Scope(), 3) == (3, ())
    store.agents.put(Scope(), "b", {"n": 9}, replace=False)
    assert [(one.name, one.version) for one in store.agents.changes(Scope(), 3)[1]] == [("b", 2)]
    store.close()


def test_a_failing_migration_leaves_nothing_behind(url: str) -> None:
    database = Database(url)
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE ledger (of_someone_else TEXT)")
    with pytest.raises(StoreError, match="already exists"):
        Store.open(url)
    database.close()
    assert names_of(url) == ["ledger"]


def test_processes_that_open_a_new_database_at_once_all_succeed(url: str) -> None:
    script = (
        "import sys; from callboard.store.engine import Store; import alembic.command;"
        "print('ready', flush=True); sys.stdin.readline();"
        "s = Store.open(sys.argv[1]); print(s.upgrade()[1]); s.close()"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out.strip(), err) == (0, HEAD, "")
