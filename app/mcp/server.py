"""The server: lists the tools, calls them, and says in words what goes wrong."""

from __future__ import annotations

import logging
from typing import Any

from mcp.server.lowlevel import Server
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import ValidationError

from ... import __version__
from ...config import explain
from ...errors import CallboardError, nearest
from ...redaction import redact
from .caller import BoardFor
from .tools import TOOLS, Tell

_log = logging.getLogger(__name__)

INSTRUCTIONS = (
    "A board of agents. 'ask' calls the right ones for a question and gives one answer; "
    "'list_agents' tells what they can do, and 'route' who would be called."
)


def board_server(board_for: BoardFor) -> Server[Any]:
    """Return the server of a Board's tools; `board_for` tells for every call who makes it."""
    tools = {tool.name: tool for tool in TOOLS}
    listed = [
        Tool(
            name=tool.name,
            description=tool.description,
            input_schema=tool.takes.model_json_schema(),
            output_schema=tool.gives.model_json_schema(mode="serialization"),
            annotations=ToolAnnotations(read_only_hint=tool.reads_only),
        )
        for tool in TOOLS
    ]

    async def list_tools(_: Any, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=listed)

    async def call_tool(context: Any, params: CallToolRequestParams) -> CallToolResult:
        tool = tools.get(params.name)
        if tool is None:
            return _refused(f"There is no tool {params.name!r}{nearest(params.name, tools)}")
        caller = await board_for(context.request)
        try:
            given = tool.takes.model_validate(params.arguments or {})
            made = await tool.work(caller, given, _telling(context))
        except ValidationError as error:
            return _refused(f"{explain(error, tool.takes)} Call it again with other arguments.")
        except CallboardError as error:
            return _refused(redact(str(error), caller.board.settings.secrets()))
        except Exception:  # noqa: BLE001 - a client must hear of a fault of ours, not what it was
            _log.exception("The tool %r failed by a fault in Callboard", tool.name)
            return _refused("It failed by a fault in Callboard, whose log tells more.")
        return CallToolResult(
            content=[TextContent(type="text", text=tool.shown(made))],
            structured_content=made.model_dump(mode="json"),
        )

    return Server(
        "callboard",
        title="Callboard",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _telling(context: Any) -> Tell:
    """Return what tells the client of progress, if it asked to be told."""
    told = 0

    async def tell(message: str) -> None:
        nonlocal told
        told += 1
        await context.session.report_progress(told, message=message)

    return tell


def _refused(words: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=words)], is_error=True)
