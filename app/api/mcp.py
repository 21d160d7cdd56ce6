"""`/mcp`: the Board as a tool of other agents, by the Model Context Protocol."""

from __future__ import annotations

from typing import Any, cast

from fastapi import FastAPI, Request
from starlette.routing import Match, Route
from starlette.types import Scope

from ..mcp import caller as mcp
from ..mcp.http import BoardApp
from .access import Caller


def mount(app: FastAPI, *, alone: bool, body_bytes: int) -> BoardApp:
    """Let `app` serve the protocol at /mcp; what is returned must run while the app does."""
    # The gate has seen to the host where no key is needed.
    served = BoardApp(_board_for, hosts=None, stateless=not alone, body_bytes=body_bytes)
    app.router.routes.append(_Counted("/mcp", endpoint=served))
    return served


async def _board_for(request: Request | None) -> mcp.Caller:
    caller: Caller = cast(Request, request).state.caller
    caller.require("ask")
    key = caller.key.id if caller.key else ""
    return mcp.Caller(board=caller.board, user=caller.user(None), key=key)


class _Counted(Route):
    """A route under whose path its requests are counted, as FastAPI's own are."""

    def matches(self, scope: Scope) -> tuple[Match, dict[str, Any]]:
        match, child = super().matches(scope)
        return match, {**child, "route": self}
