"""A small real MCP server, built with the official SDK: over stdio as a program, or over HTTP.

    python mcp_server.py            speaks over standard input and output
    with HttpServer() as server:    listens on 127.0.0.1, in a thread; `server.url`

Its tools do what tests need: count, write down that they were called, be slow, fail, die.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.utilities.types import Image


def server() -> MCPServer:
    """Return the server, without a transport."""
    made = MCPServer("Small", log_level="WARNING")

    @made.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @made.tool()
    def pid() -> int:
        """Tell which process this is."""
        return os.getpid()

    @made.tool()
    def note(path: str, word: str) -> str:
        """Write a word down."""
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{word}\n")
        return "noted"

    @made.tool()
    def die(path: str) -> str:
        """Write down that it was called, and end the program in the middle of the call."""
        note(path, "die")
        sys.stderr.write("dying now\n")
        sys.stderr.flush()
        os._exit(1)

    @made.tool(name="wait.long")
    async def wait(seconds: float) -> str:
        """Be slow."""
        await asyncio.sleep(seconds)
        return "waited"

    @made.tool()
    def fail() -> str:
        """Fail, in words."""
        raise ToolError("the disk is full")

    @made.tool()
    def report(chars: int) -> str:
        """Say much."""
        return "x" * chars

    @made.tool()
    def picture() -> Image:
        """Draw."""
        return Image(data=b"png", format="png")

    @made.tool()
    def secret(variable: str, context: Context) -> str:
        """Tell what nobody should see."""
        held = os.environ.get(variable, "nothing")
        return f"{held} and {(context.headers or {}).get('authorization', 'no header')}"

    return made


class HttpServer:
    """The server over streamable HTTP; it may be stopped, and started again on the same port."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._running: Any = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def start(self) -> None:
        import uvicorn

        app = server().streamable_http_app()
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="critical")
        self._running = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._running.run, daemon=True)
        self._thread.start()
        while not self._running.started:
            threading.Event().wait(0.01)

    def stop(self) -> None:
        if self._running is not None and self._thread is not None:
            self._running.should_exit = self._running.force_exit = True
            self._thread.join()

    def __enter__(self) -> HttpServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()


if __name__ == "__main__":
    server().run()
