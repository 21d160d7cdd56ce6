"""`callboard mcp`: the Board as a tool of other agents."""

from __future__ import annotations

import sys

import typer

from ...errors import ConfigurationError
from .terminal import open_board, tell


def mcp(ctx: typer.Context) -> None:
    """Serve the Board to other agents over standard input and output (MCP).

    The tools are ask, route and list_agents. Whoever starts it asks as the user 'local'; it ends
    when standard input does.
    """
    try:
        from ..mcp.stdio import serve
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The package {error.name!r} is not installed. "
            "Install it with: pip install 'callboard[mcp]'"
        ) from error
    with open_board(ctx) as board:
        if sys.stdin.isatty():
            tell("Serving MCP on standard input and output; an MCP client starts it like this.")
        serve(board)
