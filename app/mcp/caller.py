"""Who asks: the one place where a server learns which Board and which user a request is for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from starlette.requests import Request

    from ...board import Board


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whose request it is. `board` shows the tenant and the agents that may be used (`scoped`).

    `key` names what the request was let in by; a session of the protocol belongs to the key and
    the user that began it.
    """

    board: Board
    user: str = "local"
    key: str = ""


BoardFor: TypeAlias = Callable[["Request | None"], Awaitable[Caller]]
"""Tells who asks, by the HTTP request that the call came with; None: over stdio, by this machine's
user. What it raises is answered by the app around it: a 401 of the web framework is one."""
