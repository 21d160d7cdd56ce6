"""`callboard db`: the tables of the database, backups of it, and what is too old."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import InvalidInput
from .terminal import AsJson, emit, tell

if TYPE_CHECKING:
    from ...store.backup import Manifest
    from ...store.database import Database

commands = typer.Typer(help="Look after the database.", no_args_is_help=True, rich_markup_mode=None)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup, such as board.zip.")]


@commands.callback()
def options() -> None:
    """Look after the database."""


@commands.command()
def upgrade(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Bring the tables up to date. Nothing that is stored is lost."""
    from ...config import load_settings
    from ...store.engine import Store

    store = Store.open(load_settings(ctx.obj).database_url)
    try:
        before, after = store.upgrade()
    finally:
        store.close()
    if as_json:
        emit({"before": before, "after": after})
    elif before == after:
        tell(f"The database is up to date (revision {after}).")
    else:
        tell(f"Upgraded from {before or 'an empty database'} to revision {after}.")


@commands.command()
def backup(
    ctx: typer.Context,
    file: File,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Save all that the database holds in one file, while others use it.

    SQLite and PostgreSQL restore it alike. It holds all that users said: keep it as safe as the
    database. The tables are not upgraded.
    """
    from ... import __version__
    from ...store.backup import write_backup
    from ...store.columns import utc_now

    if file.exists() and not force:
        raise InvalidInput(f"{str(file)!r} exists already. Use --force, or name another file.")
    with _database(ctx) as database:
        made = write_backup(database, file, version=__version__, clock=utc_now)
    if as_json:
        emit(_manifest_json(file, made))
    else:
        tell(f"Saved {_said(made)} in {file}.")


@commands.command()
def restore(
    ctx: typer.Context,
    file: File,
    replace: Annotated[
        bool, typer.Option("--replace", help="Lose what the database holds, if it holds something.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --replace.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup into the database: all of it, or nothing.

    Stop what uses the database first. A backup of an older version is brought up to date; a damaged
    one is refused. Runs that were in progress when it was made have ended as failed.
    """
    from ...store.columns import utc_now
    from ...store.restore import restore_backup

    with _database(ctx) as database:
        if replace and not yes:
            typer.confirm(f"Lose what {database.name} holds?", abort=True, err=True)
        made, ended = restore_backup(database, file, replace=replace, clock=utc_now)
    if as_json:
        emit({**_manifest_json(file, made), "ended_runs": ended})
    else:
        cut_off = f" {ended} runs were in progress then, and have ended as failed." if ended else ""
        tell(f"Restored {_said(made)} from {file}.{cut_off}")


@commands.command()
def prune(
    ctx: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what is too old, and delete nothing.")
    ] = False,
    vacuum: Annotated[
        bool,
        typer.Option(
            "--vacuum", help="Give the space back to the disk too; writers wait meanwhile."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete what is older than [retention] says, a few rows at a time.

    What is still running stays.
    """
    from ...config import load_settings
    from ...store.engine import Store

    settings = load_settings(ctx.obj)
    store = Store.open(settings.database_url)
    try:
        retention = store.retention
        gone = (retention.due if dry_run else retention.prune)(settings.retention)
        if vacuum and not dry_run:
            store.compact()
    finally:
        store.close()
    if as_json:
        emit({"dry_run": dry_run, "rows": gone})
    elif not gone:
        tell("[retention] sets no days: everything is kept for ever.")
    else:
        counts = ", ".join(f"{kind} {count:,}" for kind, count in gone.items())
        tell(f"{'Too old' if dry_run else 'Deleted'}: {counts}.")


@contextmanager
def _database(ctx: typer.Context) -> Iterator[Database]:
    """Open the database as it is: nothing is created or upgraded."""
    from ...config import load_settings
    from ...store.database import Database

    database = Database(load_settings(ctx.obj).database_url)
    try:
        yield database
    finally:
        database.close()


def _said(made: Manifest) -> str:
    return f"{made.rows:,} rows of {len(made.tables)} tables (revision {made.revision})"


def _manifest_json(file: Path, made: Manifest) -> dict[str, object]:
    return {
        "file": str(file),
        "version": made.version,
        "revision": made.revision,
        "made_at": made.made_at.isoformat(),
        "rows": {entry.name: entry.rows for entry in made.tables},
    }
