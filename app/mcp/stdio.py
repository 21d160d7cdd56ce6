"""The server over standard input and output, for one user of this machine."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout, suppress

import anyio
from mcp.server.stdio import stdio_server
from starlette.requests import Request

from ...board import Board
from ...errors import CallboardError
from .caller import Caller
from .server import board_server


def serve(board: Board) -> None:
    """Serve `board` until standard input ends. Nothing but the protocol goes to standard output."""
    anyio.run(_serve, board)


async def _serve(board: Board) -> None:
    async def local(_: Request | None) -> Caller:
        return Caller(board=board)

    server = board_server(local)
    async with stdio_server() as (read, write), anyio.create_task_group() as beside:
        # What agents print would else wait in a buffer until standard output is itself again.
        with redirect_stdout(sys.stderr):
            beside.start_soon(_get_ready, board)
            await server.run(read, write, server.create_initialization_options())
            beside.cancel_scope.cancel()


async def _get_ready(board: Board) -> None:
    """Load what the first question would wait for; what is wrong, the first question says."""
    with suppress(CallboardError):
        await board.prepare(learn=False)
