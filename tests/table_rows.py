"""Something of a user in every table, whatever tables there are."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Table, insert

from callboard.store.backup import Kind, kind_of
from callboard.store.database import Database
from callboard.store.tables import metadata

AT = datetime(2026, 1, 15, 12, 0, 0, 123456, tzinfo=UTC)

VALUES: dict[Kind, Any] = {
    "integer": 2**31 - 1,
    "real": 0.1,
    "boolean": False,
    "time": AT,
    "bytes": bytes(range(256)),
}


def fill(
    database: Database,
    word: str,
    *,
    tenant: str,
    user: str,
    without: Collection[str] = (),
    **given: Any,
) -> None:
    """Insert a row into every table: text and JSON hold `word`, unless `given` says otherwise."""
    with database.writing() as connection:
        for table in metadata.sorted_tables:
            if table.name not in without:
                connection.execute(insert(table), row_of(table, word, tenant, user, given))


def row_of(
    table: Table[Any], word: str, tenant: str, user: str, given: dict[str, Any]
) -> dict[str, Any]:
    """Return a row of a table in which every column has something."""
    own = {"tenant": tenant, "user_id": user, "status": "done", "day": "2026-01-15", **given}
    return {one.name: own.get(one.name, _value(one, word)) for one in table.columns}


def _value(column: Column[Any], word: str) -> Any:
    if isinstance(column.type, BigInteger):
        return 2**40
    kind = kind_of(column)
    if kind == "json":
        return {"said": [word, "ä€ \N{GRINNING FACE}", 0.1, None, True]}
    return word if kind == "text" else VALUES[kind]
