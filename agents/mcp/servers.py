"""The servers of the settings, and the tools that agents get of them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Executor as ThreadPool
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ...errors import ConfigurationError
from ...mcp_settings import McpSettings, includes
from ...models.chat import ToolSpec
from ..tools import AgentTool, json_object, result_text
from .connection import ToolServerError
from .reference import model_name, references
from .server import ToolServer

if TYPE_CHECKING:
    from mcp.types import Tool

DESCRIPTION_CHARS = 1024
"""Of one tool, at most: what a server says of its tools is read with every call of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTool:
    """A tool of a server, as an `AgentTool`; `tool` None stands for all of one that is down."""

    server: ToolServer
    tool: str | None
    spec: ToolSpec

    @property
    def name(self) -> str:
        """What the model calls it."""
        return self.spec.name

    @property
    def approve(self) -> bool:
        """Whether the settings want each call approved."""
        return self.tool is not None and includes(self.server.settings.approve, self.tool)

    @property
    def idempotent(self) -> bool:
        """Whether the settings say that a call may be repeated."""
        return self.tool is None or includes(self.server.settings.idempotent, self.tool)

    def check(self, arguments: str) -> dict[str, Any]:
        """Return the JSON object that the model wrote; the server says what is wrong with it.

        Raises:
            InvalidInput: it is none.
        """
        return json_object(arguments)

    async def run(
        self, arguments: Mapping[str, Any], *, threads: ThreadPool, timeout_s: float
    ) -> str:
        """Call the tool on its server; return its result as text of limited length.

        Raises:
            ToolServerError: the server can't be reached, refused the call, was too slow or died.
        """
        if self.tool is None:
            there = ", ".join(tool.name for tool in await self.server.tools())
            return f"The server is there again. From the next question on its tools are: {there}."
        text = await self.server.call(self.tool, arguments, repeatable=self.idempotent)
        return result_text(text or None)


class ToolServers:
    """All servers of the settings; each is opened when an agent first needs it.

    Raises:
        ConfigurationError: there are some, and the package that speaks to them is missing.
    """

    def __init__(self, settings: Mapping[str, McpSettings]) -> None:
        if settings and find_spec("mcp") is None:
            raise ConfigurationError(
                f"[mcp.{next(iter(settings))}] is set, and the package 'mcp' is not installed. "
                "Install it with: pip install 'callboard[mcp]'"
            )
        self._servers = {name: ToolServer(name, one) for name, one in settings.items()}

    async def tools(
        self, refs: Iterable[str], *, wait_s: float, taken: Iterable[str] = ()
    ) -> dict[str, AgentTool]:
        """Return the tools that `refs` name, by what the model calls them.

        A server that is not there within `wait_s` is no failure: its tools are offered as they were
        last listed, or by their names alone, and what is wrong is said where one is called. `taken`
        are names of other tools.
        """
        named = references(refs)
        await asyncio.gather(*(self._listed(name, wait_s) for name in {r.server for r in named}))
        found: dict[tuple[str, str | None], ServerTool] = {}
        names = set(taken)
        for ref in named:
            server = self._servers[ref.server]
            listed = {tool.name: tool for tool in server.listed}
            for tool in (ref.tool,) if ref.tool or not listed else listed:
                if (ref.server, tool) in found:
                    continue
                spec = _spec(ref.server, tool, listed.get(tool or ""), names)
                found[ref.server, tool] = ServerTool(server=server, tool=tool, spec=spec)
                names.add(spec.name)
        return {one.name: one for one in found.values()}

    async def look(self) -> dict[str, int | str]:
        """Return of every server how many tools it offers, or why it can't be reached."""
        reasons = await asyncio.gather(
            *(self._listed(name, one.settings.timeout_s) for name, one in self._servers.items())
        )
        return {
            name: reason or len(one.listed)
            for (name, one), reason in zip(self._servers.items(), reasons, strict=True)
        }

    async def close(self) -> None:
        """Let go of all servers, and wait until they have ended."""
        await asyncio.gather(*(server.close() for server in self._servers.values()))

    async def _listed(self, name: str, wait_s: float) -> str:
        """Have a server list its tools; return why it could not, or nothing."""
        try:
            async with asyncio.timeout(wait_s):
                await self._servers[name].tools()
        except TimeoutError:
            return f"it did not answer within {wait_s:g} s"
        except ToolServerError as error:
            return str(error)
        return ""


def _spec(server: str, name: str | None, tool: Tool | None, taken: Collection[str]) -> ToolSpec:
    """Return what a model is told of a tool; `tool` None: its server does not list it now."""
    called = model_name(server, name or "tools", taken)
    if tool is not None:
        described = tool.description or tool.title or tool.name
        return ToolSpec(
            name=called,
            description=described[:DESCRIPTION_CHARS],
            parameters=tool.input_schema,
        )
    what = f"The tool {name!r}" if name else "Tools"
    return ToolSpec(
        name=called,
        description=f"{what} of the server {server!r}: not there now; a call tells why.",
        parameters={"type": "object", "additionalProperties": True},
    )
