"""Backup and restore, on both databases and from each to the other."""

from __future__ import annotations

import json
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import func, insert, select
from table_rows import fill

import callboard.store.migrations
from callboard.errors import InvalidInput, StoreError
from callboard.store.backup import BackupFile, Manifest, kind_of, known_tables, write_backup
from callboard.store.columns import utc_now
from callboard.store.database import Database
from callboard.store.engine import Store
from callboard.store.restore import CUT_OFF, restore_backup
from callboard.store.runs import RunEnd
from callboard.store.schema import HEAD
from callboard.store.tables import events, metadata, runs
from callboard.values import AnswerDelta, Done, Scope


@pytest.fixture
def open_database() -> Iterator[Callable[[str], Database]]:
    """Return a function that opens databases; they are closed after the test."""
    opened: list[Database] = []

    def open_(url: str) -> Database:
        opened.append(Database(url))
        return opened[-1]

    yield open_
    for database in opened:
        database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of another empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/other.db"
    return str(request.getfixturevalue("postgres").new_database())


@pytest.fixture
def full(url: str, open_database: Callable[[str], Database]) -> Database:
    """Return a database with two rows in every table."""
    Store.open(url).close()
    database = open_database(url)
    fill(database, "one", tenant="acme", user="ann")
    fill(database, "two", tenant="umbrella", user="bob")
    return database


def save(database: Database, file: Path) -> Manifest:
    return write_backup(database, file, version="9", clock=utc_now)


def restore(database: Database, file: Path, *, replace: bool = False) -> tuple[Manifest, int]:
    return restore_backup(database, file, replace=replace, clock=utc_now)


def contents(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of every table, in one order."""
    with database.reading() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


def test_a_backup_of_any_database_is_the_same_in_any_other(
    full: Database, empty_url: str, open_database: Callable[[str], Database], tmp_path: Path
) -> None:
    made = save(full, tmp_path / "board.zip")
    assert (made.revision, made.rows) == (HEAD, 2 * len(metadata.sorted_tables))
    other = open_database(empty_url)
    restored, ended = restore(other, tmp_path / "board.zip")
    assert (restored, ended) == (made, 0)
    assert contents(other) == contents(full)
    again = save(other, tmp_path / "again.zip")
    assert sorted(again.tables, key=lambda one: one.name) == sorted(
        made.tables, key=lambda one: one.name
    )
    Store.open(empty_url, migrate=False).close()


def test_both_databases_tell_of_every_column_what_it_holds(
    url: str, open_database: Callable[[str], Database]
) -> None:
    Store.open(url).close()
    declared = {
        (table.name, one.name, kind_of(one)) for table in metadata.sorted_tables for one in table.c
    }
    with open_database(url).reading() as connection:
        there = {
            (table.name, one.name, kind_of(one))
            for table in known_tables(connection)
            for one in table.c
        }
    assert there == declared


def test_a_backup_is_of_one_instant_while_others_write(
    url: str, open_database: Callable[[str], Database], tmp_path: Path, chunk: Any
) -> None:
    store, writing = Store.open(url), threading.Event()
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            # A chunk and the mark of its memory are one transaction.
            store.chunks.add(Scope(user="ann"), [chunk(f"c{number}", session=None)])
            number += 1
            if number == 20:
                writing.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert writing.wait(30)
        for number in range(3):
            file = tmp_path / f"{number}.zip"
            save(open_database(url), file)
            with BackupFile(file) as backup:
                tables = {entry.name: entry for entry in backup.manifest.tables}
                (mark,) = backup.rows(tables["memories"])
                assert mark["sequence"] == tables["chunks"].rows >= 20
    finally:
        stop.set()
        writer.join()
        store.close()


def test_memory_stays_flat(open_database: Callable[[str], Database], tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/large.db")
    Store.open(f"sqlite:///{tmp_path}/large.db").close()
    fill(database, "one", tenant="acme", user="ann")
    with database.writing() as connection:
        (row,) = connection.execute(select(events)).mappings().all()
        payload = {"text": "x" * 8000}
        connection.execute(
            insert(events),
            [{**row, "seq": number, "payload": payload} for number in range(2_000)],
        )
    other = open_database(f"sqlite:///{tmp_path}/other.db")
    tracemalloc.start()
    try:
        save(database, tmp_path / "large.zip")
        restore(other, tmp_path / "large.zip")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000  # of 16 MB


def test_only_an_empty_database_is_restored_into_unless_told_to_replace(
    full: Database, url: str, tmp_path: Path
) -> None:
    save(full, tmp_path / "board.zip")
    before = contents(full)
    fill(full, "three", tenant="initech", user="cleo")
    changed = contents(full)
    with pytest.raises(StoreError, match=r"is not empty.*nothing was changed.*--replace"):
        restore(full, tmp_path / "board.zip")
    assert contents(full) == changed
    restore(full, tmp_path / "board.zip", replace=True)
    assert contents(full) == before


def test_a_database_at_work_is_not_replaced(full: Database, store: Store, tmp_path: Path) -> None:
    save(full, tmp_path / "board.zip")
    working = Store.open(full._engine.url.render_as_string(hide_password=False))
    working.runs.create(Scope(), "r9", "Why?", options={}, owner="other", lease_s=30)
    with pytest.raises(StoreError, match=r"at work.*Stop all that use it"):
        restore(full, tmp_path / "board.zip", replace=True)
    assert working.runs.get(Scope(), "r9").status == "running"
    working.close()


DAMAGES = ("cut", "flipped", "word", "row", "gone", "unlisted", "manifest")


def damaged(file: Path, how: str) -> Path:
    """Return a copy of a backup that is not what it was."""
    copy = file.with_name(f"{how}.zip")
    if how in ("cut", "flipped"):
        content = bytearray(file.read_bytes())
        if how == "cut":
            del content[len(content) // 2 :]
        else:
            content[200] ^= 0xFF
        copy.write_bytes(content)
        return copy
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            content = old.read(name).decode()
            if how == "word" and name == "runs.jsonl":
                content = content.replace("one", "two")
            if how == "row" and name == "events.jsonl":
                content = content.partition("\n")[2]
            if how == "gone" and name == "chunks.jsonl":
                continue
            if how == "unlisted" and name == "manifest.json":
                manifest = json.loads(content)
                del manifest["tables"][-1]
                content = json.dumps(manifest)
            if how == "manifest" and name == "manifest.json":
                content = content.replace('"tables"', '"table"')
            new.writestr(name, content)
    return copy


def test_a_damaged_backup_is_refused_and_nothing_is_changed(full: Database, tmp_path: Path) -> None:
    save(full, tmp_path / "board.zip")
    before = contents(full)
    files = [damaged(tmp_path / "board.zip", how) for how in DAMAGES]
    (tmp_path / "text.zip").write_text("no backup", encoding="utf-8")
    for file in (*files, tmp_path / "text.zip", tmp_path / "none.zip", tmp_path):
        with pytest.raises(InvalidInput, match=r"damaged|no backup|other tables"):
            restore(full, file, replace=True)
        assert contents(full) == before, file.name


def test_a_backup_of_an_older_version_is_brought_up_to_date(
    url: str, empty_url: str, open_database: Callable[[str], Database], tmp_path: Path
) -> None:
    config = Config()
    config.set_main_option("script_location", str(*callboard.store.migrations.__path__))
    old = open_database(url)
    at = "'2026-01-15 12:00:00.000000'"
    with old.writing() as connection:
        config.attributes.update(connection=connection, metadata=metadata)
        command.upgrade(config, "0003")
        connection.exec_driver_sql(
            "INSERT INTO runs (id, tenant, user_id, session, query, status, created_at, "
            "cancel_requested, last_seq, owner, fence, lease_until) VALUES "
            f"('r1', 'local', 'ann', 's1', 'Why?', 'done', {at}, false, 0, 'me', 1, {at})"
        )
    made = save(old, tmp_path / "old.zip")
    assert made.revision == "0003"
    with old.reading() as connection:  # it was saved as it is
        assert "summaries" not in [table.name for table in known_tables(connection)]
    other = open_database(empty_url)
    restore(other, tmp_path / "old.zip")
    store = Store.open(empty_url, migrate=False)
    ann = Scope(user="ann")
    assert store.runs.get(ann, "r1").query == "Why?"
    assert [one.id for one in store.sessions.list(ann)] == ["s1"]  # read from what a migration made
    store.close()


def test_a_backup_of_a_newer_version_or_form_is_refused(full: Database, tmp_path: Path) -> None:
    save(full, tmp_path / "board.zip")
    for key, value, said in (
        ("revision", "9999", r"newer version.*'9999'.*pip install --upgrade"),
        ("format", "callboard-backup-2", r"form 'callboard-backup-2'"),
    ):
        file = tmp_path / f"{key}.zip"
        with zipfile.ZipFile(tmp_path / "board.zip") as old, zipfile.ZipFile(file, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                if name == "manifest.json":
                    content = json.dumps(json.loads(content) | {key: value}).encode()
                new.writestr(name, content)
        with pytest.raises(InvalidInput, match=said):
            restore(full, file, replace=True)


def test_there_is_no_backup_of_nothing(
    url: str, open_database: Callable[[str], Database], tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match=r"does not exist|is empty"):
        save(open_database(url), tmp_path / "board.zip")
    assert not (tmp_path / "test.db").exists()
    assert list(tmp_path.glob("*.zip*")) == []


def test_a_backup_is_readable_by_its_owner_alone_and_whole_or_not_there(
    full: Database, tmp_path: Path
) -> None:
    save(full, tmp_path / "board.zip")
    assert (tmp_path / "board.zip").stat().st_mode & 0o777 == 0o600
    with pytest.raises(InvalidInput, match="can't be written"):
        save(full, tmp_path / "nowhere" / "board.zip")
    assert [one.name for one in tmp_path.iterdir() if ".zip" in one.name] == ["board.zip"]


def test_runs_that_were_in_progress_are_not_done_twice(
    store: Store,
    url: str,
    empty_url: str,
    open_database: Callable[[str], Database],
    begin: Any,
    step: Any,
    clock: Any,
    tmp_path: Path,
) -> None:
    ended, going = begin("ended"), begin("going")
    begin("left", owner="dead")
    store.runs.record(ended, end=RunEnd(status="done", answer="Because."))
    store.runs.record(going, steps=[step("act:a", "going")], events=[AnswerDelta(text="Be")])
    store.runs.release("dead")
    clock.forward(1)
    write_backup(open_database(url), tmp_path / "b.zip", version="9", clock=clock)
    clock.forward(3600)
    _, closed = restore_backup(
        open_database(empty_url), tmp_path / "b.zip", replace=False, clock=clock
    )
    assert closed == 1
    restored = Store.open(empty_url, clock=clock)
    scope = going.scope
    run = restored.runs.get(scope, "going")
    assert (run.status, run.error, run.finished_at) == ("failed", CUT_OFF, clock.now)
    assert [one.status for one in run.steps] == ["failed"]
    told = restored.events.after(scope, "going", 0)
    assert [type(one.body) for one in told] == [AnswerDelta, Done]
    (summary,) = restored.sessions.list(scope)
    assert summary.runs == 3
    assert restored.runs.get(scope, "ended").status == "done"
    # Nobody was at work on it: whoever recovers here takes it up, once.
    assert [one.claim.run_id for one in restored.runs.claim_expired("me2", 30)] == ["left"]
    with pytest.raises(StoreError, match="has ended"):
        restored.runs.record(going, events=[AnswerDelta(text="cause")])
    restored.close()


def test_what_is_lost_in_mid_restore_is_nothing(
    full: Database, tmp_path: Path, open_database: Callable[[str], Database]
) -> None:
    save(full, tmp_path / "board.zip")
    file = tmp_path / "twice.zip"
    # Well formed in itself, so that only the database finds two runs of one id.
    with zipfile.ZipFile(tmp_path / "board.zip") as old, zipfile.ZipFile(file, "w") as new:
        manifest = json.loads(old.read("manifest.json"))
        for entry in manifest["tables"]:
            content = old.read(f"{entry['name']}.jsonl")
            if entry["name"] == "events":
                import hashlib

                content += content
                entry["rows"] *= 2
                entry["sha256"] = hashlib.sha256(content).hexdigest()
            new.writestr(f"{entry['name']}.jsonl", content)
        new.writestr("manifest.json", json.dumps(manifest))
    before = contents(full)
    with pytest.raises(StoreError, match="refused"):
        restore(full, file, replace=True)
    assert contents(full) == before
    with full.reading() as connection:
        assert connection.execute(select(func.count()).select_from(runs)).scalar() == 2
