"""A real service on 127.0.0.1 for tests, and keys for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from pipeline_boards import ABLE

from callboard import Board, Settings
from callboard.app.api.service import service

WEATHER = {
    "name": "weather",
    "description": "Tells the weather, rain and temperature of a place.",
    "examples": ["Will it rain in Oslo?", "how warm is it in Rome?"],
}


class Service:
    """A service that listens; `board` is its Board, `url` ends without a slash."""

    def __init__(self, board: Board, url: str) -> None:
        self.board = board
        self.url = url

    def key(self, user: str = "ann", *, tenant: str = "acme", **granting: Any) -> str:
        """Make a key, and return its secret."""
        return self.board.scoped(tenant).keys.create_sync(user, **granting).secret

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        """Return a client that sends a key."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, **options)


@contextmanager
def serving(settings: Settings, **options: Any) -> Iterator[Service]:
    """Serve the API in a thread until the block ends."""
    app = service(settings, **options)
    config = uvicorn.Config(app, port=0, log_level="error", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the service did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Service(app.state.board, f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join()


def alone(folder: Path) -> Settings:
    """Return the settings of a service with a database of its own, without memory."""
    return Settings(
        database_url=f"sqlite:///{folder / 'service.db'}",
        models={"main": ABLE},
        memory={"enabled": False},
        refiner={"model": None},
    )


def wait_until(holds: Callable[[], object], within_s: float = 30.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it does not hold in time"
        time.sleep(0.05)
