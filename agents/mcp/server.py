"""A server of tools: what it offers, and calls of it. It is opened again when it has died."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...mcp_settings import McpSettings
from ...redaction import redact, without
from .connection import Connection, ToolServerError

if TYPE_CHECKING:
    from mcp import MCPError
    from mcp.types import CallToolResult, Tool

_log = logging.getLogger(__name__)

REST_S = 5.0
"""A server that was not reached is left alone for so long."""
MAX_TOOLS = 128
"""Of one server; more can't be offered to a model in OpenAI's protocol."""


class ToolServer:
    """One server of the settings. Used on the Board's event loop only."""

    def __init__(self, name: str, settings: McpSettings) -> None:
        self.name = name
        self.settings = settings
        self.listed: tuple[Tool, ...] = ()
        """What it offered when it was last asked."""
        self._connection: Connection | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._doubtful = False  # a call was cut off, and the server may be gone
        self._rests_until = 0.0
        self._reason = ""

    async def tools(self) -> tuple[Tool, ...]:
        """Return what the server offers now.

        Raises:
            ToolServerError: it can't be reached, or does not answer.
        """
        try:
            return await self._list()
        except _Lost as lost:
            # It died, or has forgotten us, since it was last asked: nothing is lost by a new try.
            _log.info("The server of tools %r is opened again: %s", self.name, lost)
        try:
            return await self._list()
        except _Lost as lost:
            raise ToolServerError(f"The server {self.name!r} lists no tools: {lost}.") from lost

    async def call(self, tool: str, arguments: Mapping[str, Any], *, repeatable: bool) -> str:
        """Return what a tool gave as text.

        A call that is cut off may have had its effect: it is made again, once, only if
        `repeatable`.

        Raises:
            ToolServerError: the server can't be reached, refused the call, was too slow or died.
        """
        if self._doubtful:
            await self.tools()
        client = await (await self._connected()).client()
        from mcp import MCPError  # imported by the connection: it takes seconds
        from mcp.types import CONNECTION_CLOSED, INVALID_REQUEST

        try:
            result = await client.call_tool(tool, dict(arguments))
        except MCPError as error:
            if error.code in (CONNECTION_CLOSED, INVALID_REQUEST):
                self._doubtful = True
                if repeatable:
                    return await self.call(tool, arguments, repeatable=False)
            raise ToolServerError(self._failed(error)) from error
        except (RuntimeError, ValueError) as error:
            said = self._redacted(error)
            raise ToolServerError(
                f"The server {self.name!r} gave what its protocol does not allow: {said}."
            ) from error
        text = without(_text(result), self.settings.secrets())
        return f"The tool reports an error: {text}" if result.is_error else text

    async def close(self) -> None:
        """Let go of the server, and wait until it has ended."""
        if self._connection is not None:
            self._let_go(self._connection)
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _list(self) -> tuple[Tool, ...]:
        connection = await self._connected()
        client = await connection.client()
        from mcp import MCPError  # imported by the connection: it takes seconds

        found: list[Tool] = []
        cursor = None
        try:
            while len(found) <= MAX_TOOLS:
                page = await client.list_tools(cursor=cursor)
                found += page.tools
                cursor = page.next_cursor
                if cursor is None:
                    break
        except (MCPError, RuntimeError, ValueError) as error:
            self._let_go(connection)
            raise _Lost(self._redacted(error)) from error
        if len(found) > MAX_TOOLS:
            _log.warning(
                "The server of tools %r has more than %d; agents that name it get the first ones. "
                "Let them name those that they need: mcp:%s/tool.",
                self.name,
                MAX_TOOLS,
                self.name,
            )
        self._doubtful = False
        self.listed = tuple(found[:MAX_TOOLS])
        return self.listed

    async def _connected(self) -> Connection:
        """Return a connection that is open, opening one where there is none."""
        if self._connection is None or self._connection.over:
            if time.monotonic() < self._rests_until:
                raise ToolServerError(self._reason)
            self._connection = Connection(self.name, self.settings)
        connection = self._connection
        try:
            await connection.client()
        except ToolServerError as error:
            self._rests_until, self._reason = time.monotonic() + REST_S, str(error)
            raise
        return connection

    def _let_go(self, connection: Connection) -> None:
        task = connection.leave()
        if not task.done():
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        if self._connection is connection:
            self._connection = None

    def _failed(self, error: MCPError) -> str:
        """Say what became of a call."""
        from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT

        said = self._redacted(error)
        if error.code == REQUEST_TIMEOUT:
            return (
                f"The server {self.name!r} took longer than {self.settings.timeout_s:g} s. The "
                f"call may have had its effect. Allow more time ([mcp.{self.name}] timeout_s)."
            )
        if error.code == CONNECTION_CLOSED:
            return (
                f"The server {self.name!r} ended in the middle of the call ({said}). It may have "
                "had its effect, and is not made again."
            )
        return f"The server {self.name!r} refused the call: {said}."

    def _redacted(self, error: Exception) -> str:
        said = str(error) or type(error).__name__
        return redact(said, self.settings.secrets()).rstrip(".")


class _Lost(Exception):
    """A connection that was open answers no more; says why."""


def _text(result: CallToolResult) -> str:
    """Return the result of a call as text; what a model can't read is named."""
    said: list[str] = []
    for block in result.content:
        match block.type:
            case "text":
                said.append(block.text)
            case "resource":
                resource = block.resource
                said.append(getattr(resource, "text", None) or f"[{resource.uri}: not text]")
            case "resource_link":
                said.append(f"[{block.name}: {block.uri}]")
            case _:
                said.append(f"[{block.type}: not text]")
    if not said and result.structured_content is not None:
        said.append(json.dumps(result.structured_content, ensure_ascii=False))
    return "\n".join(said)
