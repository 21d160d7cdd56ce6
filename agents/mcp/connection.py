"""One connection to a server of tools: opened, held and closed by a task of its own.

The library binds a connection to the task that opened it, and a Board's turns come and go; so one
task holds it, and the turns ask through it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from contextvars import Context
from importlib import import_module
from typing import TYPE_CHECKING, Any, TextIO

from ...mcp_settings import McpSettings
from ...redaction import redact

if TYPE_CHECKING:
    from mcp import Client

_log = logging.getLogger(__name__)

READ_S = 300.0
"""A server that is spoken to over HTTP may be silent for so long while it works."""


class ToolServerError(Exception):
    """What went wrong with a server or a call of its tools, in words for a model and its user."""


class Connection:
    """A connection that is being opened, open, or over. Made and used on one event loop."""

    def __init__(self, name: str, settings: McpSettings) -> None:
        self._name = name
        self._settings = settings
        self._leave = asyncio.Event()
        self._last = ""  # what a program said on stderr, or the status of a refused request
        self._opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        # Not in the context of the turn that happens to need it first.
        self._task = asyncio.create_task(self._hold(), context=Context())

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._task.done() or self._leave.is_set()

    async def client(self) -> Client:
        """Return what speaks to the server; a caller that gives up leaves it opening.

        Raises:
            ToolServerError: it can't be reached.
        """
        return await asyncio.shield(self._opened)

    def leave(self) -> asyncio.Task[None]:
        """Let go of the server; the task ends when it is closed."""
        self._leave.set()
        if not self._opened.done():
            self._task.cancel()
        return self._task

    async def _hold(self) -> None:
        why = "it was let go of"
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self._settings.timeout_s):
                    client = await self._open(stack)
                self._opened.set_result(client)
                await self._leave.wait()
        except Exception as error:  # noqa: BLE001 - whatever the library raises, it is told in words
            why = self._why(error)
            _log.warning("The server of tools %r is not reached: %s", self._name, why)
        finally:
            if not self._opened.done():
                self._opened.set_exception(
                    ToolServerError(
                        f"The server {self._name!r} can't be reached: {why}. "
                        f"Start it, or mend [mcp.{self._name}] in the settings."
                    )
                )
                self._opened.exception()  # nobody may be waiting for it

    async def _open(self, stack: AsyncExitStack) -> Client:
        # Two seconds of imports, which must not hold up the turns.
        await asyncio.to_thread(import_module, "mcp")
        from mcp import Client, StdioServerParameters, stdio_client
        from mcp.client.streamable_http import streamable_http_client

        if self._settings.command is not None:
            server = StdioServerParameters(
                command=self._settings.command,
                args=list(self._settings.args),
                env=self._settings.environment(self._name),
            )
            errors = stack.enter_context(_lines(self._heard))
            transport: Any = stdio_client(server, errlog=errors)
        else:
            http = await stack.enter_async_context(self._http())
            transport = streamable_http_client(self._settings.url or "", http_client=http)
        client = Client(transport, read_timeout_seconds=self._settings.timeout_s, cache=None)
        return await stack.enter_async_context(client)

    def _http(self) -> Any:
        import httpx2

        async def heard(response: httpx2.Response) -> None:
            if response.status_code >= 400:
                self._last = f"HTTP {response.status_code} {response.reason_phrase}"

        read_s = max(READ_S, self._settings.timeout_s)
        return httpx2.AsyncClient(
            headers=self._settings.headers(self._name),
            timeout=httpx2.Timeout(self._settings.timeout_s, read=read_s),
            event_hooks={"response": [heard]},
        )

    def _heard(self, line: str) -> None:
        told = redact(line.strip(), self._settings.secrets())
        if told:
            self._last = told
            _log.info("%s: %s", self._name, told)

    def _why(self, error: BaseException) -> str:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, TimeoutError):
            said = f"it did not answer within {self._settings.timeout_s:g} s"
        elif isinstance(error, OSError) and self._settings.command is not None:
            said = f"{self._settings.command!r} can't be started ({error.strerror or error})"
        else:
            said = str(error) or type(error).__name__
        told = f"{said} ({self._last})" if self._last else said
        return redact(told, self._settings.secrets()).rstrip(".")


@contextmanager
def _lines(heard: Callable[[str], None]) -> Iterator[TextIO]:
    """Yield a file for a program's stderr, whose lines are handed on by a thread."""
    read, write = os.pipe()

    def hand_on() -> None:
        with os.fdopen(read, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                heard(line)

    threading.Thread(target=hand_on, name="callboard-mcp-stderr", daemon=True).start()
    with os.fdopen(write, "w", encoding="utf-8") as file:
        yield file
