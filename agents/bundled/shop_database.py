"""The sample shop as a database in memory that can only be read.

Three walls: SQLite's authorizer refuses all but reading, a progress handler ends what takes too
long, and limits hold length and rows. Every query gets a fresh copy: nothing can be left behind.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

MAX_ROWS = 50
MAX_SECONDS = 1.0
MAX_BYTES = 1_000_000
"""Of any one value or statement."""

_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_FUNCTIONS = frozenset({
    "abs", "avg", "ceil", "ceiling", "coalesce", "concat", "count", "date", "datetime",
    "dense_rank", "floor", "glob", "group_concat", "ifnull", "iif", "instr", "julianday", "lag",
    "lead", "length", "like", "lower", "ltrim", "max", "min", "nullif", "percent_rank", "printf",
    "format", "rank", "replace", "round", "row_number", "rtrim", "sign", "strftime", "string_agg",
    "substr", "substring", "sum", "time", "total", "trim", "upper",
})  # fmt: skip


class RefusedSql(Exception):
    """A statement that is not run, or failed; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The rows of a query; `more` when there were more than `MAX_ROWS`."""

    sql: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | int | None, ...], ...]
    more: bool = False


@lru_cache(maxsize=1)
def _image() -> bytes:
    script = files(__package__).joinpath("data", "shop.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(script)
        return connection.serialize()


def _authorize(
    action: int, one: str | None, two: str | None, database: str | None, view: str | None
) -> int:
    if action in _READING:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and (two or "").lower() in _FUNCTIONS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def read(sql: str, parameters: dict[str, str | int | float] | None = None) -> Table:
    """Run one SELECT on the sample shop and return at most `MAX_ROWS` of its rows.

    Raises:
        RefusedSql: it does more than read, is no SQL, or takes longer than `MAX_SECONDS`.
    """
    end = time.monotonic() + MAX_SECONDS
    statements: list[str] = []
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(_image())
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 20_000)
        connection.set_authorizer(_authorize)
        connection.set_progress_handler(lambda: int(time.monotonic() > end), 1000)
        connection.set_trace_callback(statements.append)
        try:
            cursor = connection.execute(sql, parameters or {})
            rows = cursor.fetchmany(MAX_ROWS + 1)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise RefusedSql(_why(error)) from error
        if cursor.description is None:
            raise RefusedSql("I only read: that statement returns no rows")
        columns = tuple(column[0] for column in cursor.description)
    return Table(
        sql=" ".join((statements[0] if statements else sql).split()),
        columns=columns,
        rows=tuple(rows[:MAX_ROWS]),
        more=len(rows) > MAX_ROWS,
    )


def _why(error: sqlite3.Error | sqlite3.Warning) -> str:
    text = str(error).rstrip(".")
    if "authorized" in text or "prohibited" in text:
        return f"I only read, and that is not allowed ({text})"
    if "interrupted" in text:
        return f"that takes longer than {MAX_SECONDS:g} s"
    return f"SQLite says: {text}"


@lru_cache(maxsize=16)
def values(column: str, table: str) -> tuple[str, ...]:
    """Return what stands in a column of a table of the shop; both are names of ours."""
    rows = read(f"SELECT DISTINCT {column} FROM {table} ORDER BY 1").rows  # noqa: S608
    return tuple(str(row[0]) for row in rows)
