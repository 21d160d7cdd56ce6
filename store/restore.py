"""Restoring a backup: into an empty database, or in the place of all that one holds.

All or nothing, in one transaction. The tables are made as they were at the backup's revision,
filled, and then brought up to date as those of any older database are.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.schema import DropTable

from ..errors import InvalidInput, StoreError
from ..values import Done
from .backup import AT_ONCE, BackupFile, Manifest, TableEntry, kind_of, known_tables
from .claims import GOING, Claim, scope_of
from .database import Database
from .events import event_values
from .schema import DERIVED, HEAD, VERSION_TABLE, refuse_newer, revision, revisions, upgrade
from .summaries import summarize
from .tables import events, runs, steps

CUT_OFF = (
    "The run was in progress when the backup was made, and may have ended elsewhere since. "
    "Ask again: 'callboard ask'."
)


def restore_backup(
    database: Database, file: Path, *, replace: bool, clock: Callable[[], datetime]
) -> tuple[Manifest, int]:
    """Put the contents of a backup into a database, and return what they are.

    With `replace` in the place of all that the database holds. Runs that a process was at work on
    when the backup was made have ended as failed, for they may have gone on elsewhere; what nobody
    was at work on is taken up by the next Board that recovers.

    Returns:
        What the backup says of itself, and how many runs have ended so.

    Raises:
        InvalidInput: the file is missing, damaged, or of a newer version.
        StoreError: the database is in use or holds something, and not `replace`. In all cases
            nothing was changed.
    """
    with BackupFile(file) as backup:
        manifest = backup.manifest
        if manifest.revision not in revisions():
            raise InvalidInput(
                f"The backup {str(file)!r} is from a newer version of Callboard "
                f"({manifest.version}, revision {manifest.revision!r}; this one knows {HEAD!r}). "
                "Install that version ('pip install --upgrade callboard')."
            )
        backup.check()
        with database.writing("schema", patient=True) as connection:
            _make_room(connection, database, replace=replace, now=clock())
            upgrade(connection, manifest.revision)
            _check_tables(connection, manifest)
            for entry in manifest.tables:
                _fill(connection, backup, entry)
            if manifest.revision != HEAD:
                upgrade(connection)
            ended = _end_cut_off(connection, manifest.made_at, clock())
    database.scrub()
    return manifest, ended


def _make_room(connection: Connection, database: Database, *, replace: bool, now: datetime) -> None:
    """Drop the tables that there are, if they may be."""
    found = revision(connection)
    if found is None:
        return
    refuse_newer(database, found)
    tables = known_tables(connection)
    full = [one.name for one in tables if connection.execute(select(one).limit(1)).first()]
    if full and not replace:
        raise StoreError(
            f"The database {database.name!r} is not empty ({', '.join(full)}): nothing was "
            "changed. Set another database_url, or use --replace to lose what it holds."
        )
    working = select(runs.c.owner).where(runs.c.status.in_(GOING), runs.c.lease_until >= now)
    if full and connection.execute(working.limit(1)).first():
        raise StoreError(
            f"A process is at work on the database {database.name!r}: nothing was changed. "
            "Stop all that use it, wait until [limits] lease_s are over, then try again."
        )
    for name in DERIVED:
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
    for one in reversed(tables):
        connection.execute(DropTable(one))
    connection.exec_driver_sql(f"DROP TABLE {VERSION_TABLE}")


def _check_tables(connection: Connection, manifest: Manifest) -> None:
    """See that the backup has the tables of its revision, and nothing else."""
    made = {
        one.name: {each.name: kind_of(each) for each in one.columns}
        for one in known_tables(connection)
    }
    saved = {entry.name: entry.columns for entry in manifest.tables}
    if saved != made:
        differ = sorted(name for name in saved | made if saved.get(name) != made.get(name))
        raise InvalidInput(
            f"The backup has other tables than revision {manifest.revision!r} "
            f"({', '.join(differ)}). Nothing was changed. Use another backup."
        )


def _fill(connection: Connection, backup: BackupFile, entry: TableEntry) -> None:
    statement = insert(entry.clause)
    rows = []
    for row in backup.rows(entry):
        rows.append(row)
        if len(rows) == AT_ONCE:
            connection.execute(statement, rows)
            rows.clear()
    if rows:
        connection.execute(statement, rows)


def _end_cut_off(connection: Connection, made_at: datetime, now: datetime) -> int:
    """End the runs that a process was at work on at `made_at`; return how many there were."""
    cut_off = select(runs).where(runs.c.status.in_(GOING), runs.c.lease_until >= made_at)
    rows = connection.execute(cut_off).all()
    for row in rows:
        claim = Claim(scope=scope_of(row), run_id=row.id, owner=row.owner, fence=row.fence)
        done = Done(status="failed", error=CUT_OFF)
        connection.execute(insert(events), event_values(claim, row.last_seq + 1, done))
        connection.execute(
            update(steps)
            .where(steps.c.run_id == row.id, steps.c.status == "running")
            .values(status="failed", error=CUT_OFF)
        )
        connection.execute(
            update(runs)
            .where(runs.c.id == row.id)
            .values(status="failed", error=CUT_OFF, finished_at=now, last_seq=row.last_seq + 1)
        )
        took_s = (made_at - row.created_at).total_seconds()
        summarize(connection, claim, decision=None, status="failed", latency_s=took_s)
    return len(rows)
