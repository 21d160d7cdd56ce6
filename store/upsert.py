"""Rows that are new or take the place of older ones: one statement that both databases know."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(connection: Connection, table: Table[Any], *, adding: str | None = None) -> Insert:
    """Return the statement that inserts rows, each in the place of that of the same primary key.

    With `adding` the old row stays, and the new one's value in this column is added to its.
    """
    return _statement(connection.dialect.name, table, adding)


@lru_cache
def _statement(dialect: str, table: Table[Any], adding: str | None) -> Insert:
    module: Any = sqlite if dialect == "sqlite" else postgresql
    row = module.insert(table)
    kept = table.primary_key.columns
    changes = {
        column.name: row.excluded[column.name] for column in table.c if column.name not in kept
    }
    if adding is not None:
        changes = {adding: table.c[adding] + row.excluded[adding]}
    statement: Insert = row.on_conflict_do_update(index_elements=list(kept), set_=changes)
    return statement
