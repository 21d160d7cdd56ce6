"""The version of a database's tables: read quickly, brought up to date under a lock.

Alembic is imported only where there is something to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from ..errors import StoreError
from .database import Database
from .tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0012"
"""The newest revision in `migrations/versions`."""

VERSION_TABLE = "alembic_version"

DERIVED = ("stacked_terms", "stacked", "stacks")
"""Tables that some databases have beside those of `tables.py`, and hold nothing new; those that
refer to others come first."""
_STACKS = "0011"


def ensure_current(database: Database, *, migrate: bool) -> str | None:
    """See that the tables are those of this version; return the revision that was found.

    None means that the database had no tables of ours.

    Raises:
        StoreError: it is from a newer version, or older and `migrate` is False.
    """
    with database.reading() as connection:
        found = revision(connection)
    if found == HEAD:
        return found
    if not migrate:
        refuse_newer(database, found)
        state = "is empty" if found is None else f"is from an older version ({found})"
        raise StoreError(f"The database {database.name!r} {state}. Run 'callboard db upgrade'.")
    with database.writing("schema", patient=True) as connection:
        found = revision(connection)  # another process may have been quicker
        if found != HEAD:
            refuse_newer(database, found)
            upgrade(connection)
    return found


def revision(connection: Connection) -> str | None:
    """Return the revision of the tables, or None where there are none of ours."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    return None if found is None else str(found)


def has_stacks(database: Database) -> bool:
    """Return whether the database can search large memories by itself: see `stacks.py`."""
    if database.is_sqlite:
        return False
    with database.reading() as connection:
        return inspect(connection).has_table("stacks")


def add_stacks(database: Database) -> bool:
    """Create what that needs if the server has pgvector by now; return whether it is there."""
    from alembic.script import ScriptDirectory

    if database.is_sqlite:
        return False
    migration = ScriptDirectory.from_config(_config()).get_revision(_STACKS)
    with database.writing("schema", patient=True) as connection:
        there = inspect(connection).has_table("stacks")
        return there or bool(migration.module.create(connection))


def revisions() -> frozenset[str]:
    """Return the revisions that this version knows."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config())
    return frozenset(script.revision for script in scripts.walk_revisions())


def refuse_newer(database: Database, found: str | None) -> None:
    """Refuse tables that this version does not know.

    Raises:
        StoreError: they were written by a newer version.
    """
    if found is not None and found not in revisions():
        raise StoreError(
            f"The database {database.name!r} was written by a newer version of Callboard "
            f"(revision {found!r}, this one knows {HEAD!r}). "
            "Install that version ('pip install --upgrade callboard'), or set another database_url."
        )


def upgrade(connection: Connection, to: str = "head") -> None:
    """Bring the tables to a later revision, in the transaction that is open."""
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata
    command.upgrade(config, to)


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    return config
