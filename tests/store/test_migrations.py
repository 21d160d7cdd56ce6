"""Every revision takes over what the one before held, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    insert,
    select,
)

from callboard.store.database import Database
from callboard.store.engine import Store
from callboard.store.schema import HEAD, VERSION_TABLE

from .conftest import declared, migrate_to, scripts

AT = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


def tables_of(connection: Connection) -> list[Table]:
    """Return the tables as they are in the database, those that others point to first."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != VERSION_TABLE]


def value(column: Column[Any], row: int) -> Any:
    """Return something that may stand in a column; in every third row what may be NULL is."""
    if column.nullable and row % 3 == 0:
        return None
    for key in column.foreign_keys:
        column = key.column
    for kind, made in (
        (JSON, {"n": row}),
        (ARRAY, [row]),
        (Boolean, row % 2 == 0),
        (DateTime, AT),
        (Integer, row),
        (Float, row / 4),
        (HALFVEC, [1.0, row]),
        (LargeBinary, b"\x00\x00\x80\x3f"),
    ):
        if isinstance(column.type, kind):
            return made
    return f"{column.name} {row}"


def fill(connection: Connection, rows: range) -> None:
    """Put rows into every table."""
    for table in tables_of(connection):
        connection.execute(
            insert(table), [{one.name: value(one, row) for one in table.c} for row in rows]
        )


def content(connection: Connection) -> dict[str, dict[str, list[Any]]]:
    """Return what stands in each column of each table, in the order of the primary keys."""
    found: dict[str, dict[str, list[Any]]] = {}
    for table in tables_of(connection):
        rows = connection.execute(select(table).order_by(*table.primary_key.columns)).all()
        found[table.name] = {
            column.name: [row[place] for row in rows] for place, column in enumerate(table.c)
        }
    return found


def test_every_revision_takes_over_what_the_one_before_held(url: str) -> None:
    revisions = [one.revision for one in scripts().walk_revisions()][::-1]
    assert revisions[-1] == HEAD
    database = Database(url)
    for number, revision in enumerate(revisions):
        with database.writing() as connection:
            migrate_to(connection, revision)
        with database.writing() as connection:
            fill(connection, range(6 * number + 1, 6 * number + 7))
        with database.reading() as connection:
            before = content(connection)
        if revision != HEAD:
            with database.writing() as connection:
                migrate_to(connection, revisions[number + 1])
            with database.reading() as connection:
                after = content(connection)
            for table, columns in before.items():
                for name in columns.keys() & after[table].keys():
                    assert after[table][name] == columns[name], (revision, table, name)
    database.close()

    store = Store.open(url)
    assert store.upgrade() == (HEAD, HEAD)
    store.close()
    database = Database(url)
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, declared(connection)) == []
        columns = [column for one in content(connection).values() for column in one.values()]
        assert min(map(len, columns)) >= 6
    database.close()
