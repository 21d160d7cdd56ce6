"""What only PostgreSQL has: connections that may break, and limits of how long one waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy import make_url

from callboard.errors import StoreError
from callboard.store.database import BUSY_S, THREADS, Database
from callboard.store.engine import Store
from callboard.values import Scope


@pytest.fixture
def url(postgres) -> str:
    return str(postgres.new_database())


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


def setting(database: Database, name: str) -> str:
    with database.reading() as connection:
        return str(connection.exec_driver_sql(f"SHOW {name}").scalar())


def end_connections(url: str) -> None:
    """End them as a restart of the server does."""
    parsed = make_url(url)
    with psycopg.connect(
        dbname=parsed.database, user=parsed.username, host=parsed.query["host"], autocommit=True
    ) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_it_waits_as_long_as_on_sqlite_and_says_who_it_is(database: Database) -> None:
    found = {name: setting(database, name) for name in ("lock_timeout", "statement_timeout")}
    assert found == dict.fromkeys(found, f"{BUSY_S:.0f}s")
    assert setting(database, "application_name") == "callboard"


def test_limits_and_a_name_in_the_url_hold(url: str) -> None:
    more = {"options": "-c statement_timeout=70000", "application_name": "mine"}
    changed = make_url(url).update_query_dict(more)
    database = Database(changed.render_as_string(hide_password=False))
    assert setting(database, "statement_timeout") == "70s"
    assert setting(database, "lock_timeout") == f"{BUSY_S:.0f}s"
    assert setting(database, "application_name") == "mine"
    database.close()


def test_a_statement_that_takes_too_long_is_stopped_and_says_so(url: str) -> None:
    changed = make_url(url).update_query_dict({"options": "-c statement_timeout=50"})
    database = Database(changed.render_as_string(hide_password=False))
    with (
        pytest.raises(StoreError, match=r"was stopped.*statement_timeout"),
        database.reading() as connection,
    ):
        connection.exec_driver_sql("SELECT pg_sleep(5)")
    with database.writing(patient=True) as connection:
        connection.exec_driver_sql("SELECT pg_sleep(0.1)")
    database.close()


def test_who_waits_for_a_line_too_long_is_told(url: str) -> None:
    changed = make_url(url).update_query_dict({"options": "-c lock_timeout=50"})
    database = Database(changed.render_as_string(hide_password=False))
    with (
        database.writing("line"),
        pytest.raises(StoreError, match="kept locked by another process"),
        database.writing("line"),
    ):
        pass
    database.close()


async def test_a_server_that_was_restarted_costs_no_call(url: str) -> None:
    store = Store.open(url)
    scope = Scope()
    store.agents.put(scope, "a", {"n": 1}, replace=False)
    await asyncio.gather(*(store.call(store.agents.version, scope) for _ in range(THREADS)))
    end_connections(url)
    found = await asyncio.gather(
        *(store.call(store.agents.version, scope) for _ in range(2 * THREADS))
    )
    assert found == [1] * 2 * THREADS
    store.close()


def test_what_a_restart_interrupted_is_undone_and_may_be_done_again(url: str) -> None:
    store = Store.open(url)
    database = Database(url)
    row = "INSERT INTO registries (tenant, user_id, version) VALUES ('acme', 'ann', 7)"

    def interrupted() -> None:
        with database.writing() as connection:
            connection.exec_driver_sql(row)
            end_connections(url)
            connection.exec_driver_sql("SELECT 1")

    with pytest.raises(StoreError, match="terminat"):
        interrupted()
    assert store.agents.version(Scope(tenant="acme")) == 0
    with database.writing() as connection:
        connection.exec_driver_sql(row)
    assert store.agents.version(Scope(tenant="acme")) == 7
    database.close()
    store.close()


def test_more_threads_than_connections_take_turns(database: Database) -> None:
    found: list[int] = []

    def read() -> None:
        with database.reading() as connection:
            found.append(int(connection.exec_driver_sql("SELECT 1 FROM pg_sleep(0.02)").scalar()))

    threads = [threading.Thread(target=read) for _ in range(5 * THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 5 * THREADS


def test_a_url_without_a_driver_takes_psycopg(url: str) -> None:
    store = Store.open(url.replace("postgresql+psycopg://", "postgresql://"))
    assert store.agents.version(replace(Scope(), user="a")) == 0
    store.close()
