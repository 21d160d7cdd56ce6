"""One database behind a URL: connections, transactions, locks, and errors in words.

The only file that knows which database it is. SQLite runs in WAL mode and PostgreSQL through
psycopg; the repositories write SQLAlchemy that both understand.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    URL,
    Connection,
    DateTime,
    Engine,
    QueuePool,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..errors import StoreError
from .columns import dump_json, utc_now

if TYPE_CHECKING:
    from sqlite3 import Connection as SQLiteConnection

    from psycopg import Connection as PostgresConnection

T = TypeVar("T")

BUSY_S = 15.0
"""How long a writer waits for another one before it gives up."""

THREADS = 8
"""Threads of a store on PostgreSQL, each with a connection that is kept open."""

_MORE = 8
"""Connections opened beside those while there is more to do: recalls read in threads of others."""

BATCH = 500
"""Values in one IN list: below every database's limit, and one compiled statement for all."""


class Database:
    """An engine and its two kinds of transaction.

    Raises:
        StoreError: the URL can't be read, or its folder, file or driver is missing.
    """

    def __init__(self, url: str) -> None:
        parsed = _parse(url)
        self.name = parsed.render_as_string(hide_password=True)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        try:
            engine = _sqlite(parsed) if self.is_sqlite else _postgres(parsed)
        except ModuleNotFoundError as error:
            raise StoreError(
                f"The database {self.name!r} needs the package {error.name!r}. "
                "Install it with: pip install 'callboard[postgres]'"
            ) from error
        self._engine = engine
        # A reader sees one state of the whole database; WAL gives that to SQLite by itself.
        level = None if self.is_sqlite else "REPEATABLE READ"
        self._readers = engine.execution_options(isolation_level=level) if level else engine
        self._writers = engine.execution_options(begin="BEGIN IMMEDIATE")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that sees one state of the database and changes nothing.

        Raises:
            StoreError: the database can't be used.
        """
        with self._errors_in_words(), self._readers.begin() as connection:
            yield connection

    @contextmanager
    def writing(self, *lines: str, patient: bool = False) -> Iterator[Connection]:
        """Open a transaction that is kept whole when the block ends and undone when it raises.

        Transactions of the same line follow each other, so that what one of them reads still holds
        when it writes; one that stands in several must name them in their order, or two could wait
        for each other. On SQLite all writers follow each other anyway. Statements of a `patient`
        one may take any time, once it has its turn.

        Raises:
            StoreError: the database can't be used, or stayed locked for `BUSY_S` seconds.
        """
        with self._errors_in_words(), self._writers.begin() as connection:
            for line in () if self.is_sqlite else lines:
                key = func.hashtextextended(line, 0)
                connection.execute(select(func.pg_advisory_xact_lock(key)))
            if patient and not self.is_sqlite:
                connection.execute(select(func.set_config("statement_timeout", "0", True)))
            yield connection

    @property
    def missing(self) -> bool:
        """Whether it is a SQLite file that does not exist; the first transaction creates it."""
        file = self._engine.url.database if self.is_sqlite else None
        return file not in (None, "", ":memory:") and not Path(str(file)).exists()

    def forget(self) -> None:
        """Drop what was prepared for statements: it holds values that the first of each had."""
        self._engine.clear_compiled_cache()

    def scrub(self) -> bool:
        """See that SQLite's log holds nothing any more that was deleted; False: it is being read.

        PostgreSQL does that by itself, in its own time.

        Raises:
            StoreError: the database can't be used.
        """
        if not self.is_sqlite:
            return True
        (busy, _, _) = self._outside("PRAGMA wal_checkpoint(TRUNCATE)")
        return not busy

    def compact(self) -> None:
        """Give the space of what was deleted back; writers wait until SQLite's file is rewritten.

        Raises:
            StoreError: the database can't be used, or the disk has no room for a second file.
        """
        self._outside("VACUUM")
        self.scrub()

    def now(self) -> Any:
        """Return this instant by the clock that all processes share, to compute with in SQL.

        That is the server's, if there is one: the machines of its clients may differ.
        """
        return utc_now() if self.is_sqlite else func.clock_timestamp(type_=DateTime(timezone=True))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _outside(self, statement: str) -> Any:
        """Execute a statement that stands in no transaction; return its first row, or None."""
        how = {"begin": None} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        own = self._engine.execution_options(**how)
        with self._errors_in_words(), own.connect() as connection:
            result = connection.exec_driver_sql(statement)
            return result.first() if result.returns_rows else None

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            lost = not self.is_sqlite and _is_lost(error)
            message = " ".join(str(error.orig).split())
            reason = _LOST.format(message) if lost else _reason(message)
            raise StoreError(
                f"The database {self.name!r} {reason}", transient=lost or _is_locked(error)
            ) from error
        except PoolTimeout as error:
            raise StoreError(
                f"The database {self.name!r}: no connection of {THREADS + _MORE} became free for "
                f"{BUSY_S:.0f} s. Ask less at a time, or of more processes.",
                transient=True,
            ) from error


def batched(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut `items` into pieces that fit into one IN list."""
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def _parse(url: str) -> URL:
    # The URL may hold a password, so that no message repeats it unparsed.
    fix = "Use 'sqlite:///callboard.db' or 'postgresql+psycopg://user:password@host/name'."
    try:
        parsed = make_url(url)
        known = parsed.get_backend_name() in ("sqlite", "postgresql")
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise StoreError(f"database_url is not the URL of a database. {fix}") from error
    if not known:
        raise StoreError(f"Databases of the kind {parsed.drivername!r} are not supported. {fix}")
    return parsed


def _sqlite(url: URL) -> Engine:
    if url.database in (None, "", ":memory:"):
        # It lives in one connection, so that all threads take turns on it.
        engine = create_engine(
            url,
            json_serializer=dump_json,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            connect_args={"check_same_thread": False},
        )
    else:
        _check_folder(Path(str(url.database)))
        engine = create_engine(url, json_serializer=dump_json)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _postgres(url: URL) -> Engine:
    named = {} if "application_name" in url.query else {"application_name": "callboard"}
    engine = create_engine(
        url,
        json_serializer=dump_json,
        pool_size=THREADS,
        max_overflow=_MORE,
        pool_timeout=BUSY_S,
        pool_pre_ping=True,  # a server that was restarted costs no call
        connect_args=named,
    )
    event.listen(engine, "connect", _limit_waiting)
    return engine


def _limit_waiting(connection: PostgresConnection, _record: Any) -> None:
    """Set how long a statement may take and wait, where neither URL, role nor server says so."""
    connection.autocommit = True
    for name in ("lock_timeout", "statement_timeout"):
        connection.execute(
            "SELECT set_config(%(name)s, %(ms)s, false) WHERE current_setting(%(name)s) = '0'",
            {"name": name, "ms": str(int(BUSY_S * 1000))},
        )
    connection.autocommit = False


def _check_folder(file: Path) -> None:
    folder = file.absolute().parent
    if not folder.is_dir():
        raise StoreError(
            f"The folder {str(folder)!r} of the database does not exist. "
            "Create it, or set another database_url."
        )
    if file.is_dir():
        raise StoreError(f"The database {str(file)!r} is a folder. Set another database_url.")
    if not os.access(folder, os.W_OK) or (file.exists() and not os.access(file, os.W_OK)):
        raise StoreError(
            f"The database {str(file)!r} can't be written. "
            "Allow writing to the file and its folder, or set another database_url."
        )


def _prepare(connection: SQLiteConnection, _record: Any) -> None:
    # SQLAlchemy begins transactions itself: the driver would begin them late and without a lock.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten with zeros


def _switch_to_wal(connection: SQLiteConnection) -> None:
    # Two processes that open a new file at once: SQLite refuses one of them without waiting.
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except connection.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin(connection: Connection) -> None:
    statement = connection.get_execution_options().get("begin", "BEGIN")
    if statement is not None:
        connection.exec_driver_sql(statement)


_LOST = "can't be reached ({}). See that its server runs, then try again."


def _is_lost(error: DBAPIError) -> bool:
    """Say whether PostgreSQL broke the connection off, or could not be reached at all."""
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is None:
        return isinstance(error, OperationalError)
    return state.startswith(("08", "57P")) or state == "53300"  # 53300: too many connections


def _is_locked(error: DBAPIError) -> bool:
    """Say whether another transaction was in the way: a lock, a deadlock, what it had changed."""
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return "database is locked" in str(error.orig)
    return bool(state.startswith("40") or state == "55P03")


def _reason(message: str) -> str:
    if "not a database" in message or "malformed" in message:
        return (
            f"is damaged or not a SQLite file ({message}). "
            "Restore it from a backup, or set another database_url."
        )
    if "database is locked" in message or "lock timeout" in message:
        return (
            f"was kept locked by another process for over {BUSY_S:.0f} s. "
            "End what holds it, then try again."
        )
    if "readonly" in message or "unable to open" in message:
        return f"can't be opened for writing ({message}). Check the file's and folder's rights."
    if "disk is full" in message:
        return "can't grow: the disk is full. Free some space, then try again."
    if "statement timeout" in message:
        return (
            f"did not finish within {BUSY_S:.0f} s and was stopped. Try again when it is less "
            "busy, or add '?options=-c%20statement_timeout=60000' (ms) to database_url."
        )
    return f"refused: {message}"
