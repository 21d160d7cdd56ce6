"""Who asks: the key of a request, checked before anything else is looked at.

Tenant, user, roles and agents come from the key and never from the request. What a request names
as `user` is a user below the key's own, so that a key of one user never reaches another's.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ...board import Board
from ...errors import CallboardError, InvalidInput
from ...records import ApiKey, Role
from .problems import Problem, problem_of, respond

OPEN = ("/health", "/ready")
"""What answers without a key: it tells nothing but that the process lives, and can work."""
MAX_USER = 200
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks. `board` shows the tenant, and the agents that may be used; `key` None: no key."""

    board: Board
    key: ApiKey | None

    def may(self, role: Role) -> bool:
        """Tell whether the caller has a role; without keys whoever is at this machine has all."""
        return self.key is None or self.key.may(role)

    def require(self, role: Role) -> None:
        """See that the caller has a role.

        Raises:
            Problem: the key does not have it.
        """
        if not self.may(role):
            key = self.key.id if self.key else ""
            raise Problem(403, f"The key {key} does not have the role {role!r}, which this needs.")

    def user(self, below: str | None) -> str:
        """Return the user that is meant: the key's own, or one below it.

        Raises:
            InvalidInput: the name is no name.
        """
        own = self.key.scope.user if self.key else "local"
        if below is None:
            return own
        if not below.strip() or not below.isprintable() or len(below) > MAX_USER:
            raise InvalidInput(
                f"user={below[:MAX_USER]!r} is no name. Use 1 to {MAX_USER} printable characters."
            )
        return f"{own}/{below.strip()}"


class Gate:
    """Lets requests with a good key in, and counts them against its limits. An ASGI middleware.

    Without `keys` it lets in whoever calls this machine by a local name: a page of another site
    that a browser shows can't do that.
    """

    def __init__(self, app: ASGIApp, *, board: Board, keys: bool, header_bytes: int) -> None:
        self._app = app
        self._board = board
        self._keys = keys
        self._header_bytes = header_bytes
        self._busy: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or say why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there are no web sockets here
        headers = Headers(scope=scope)
        try:
            if sum(len(name) + len(value) for name, value in headers.raw) > self._header_bytes:
                raise Problem(431, "The headers are too long. Send fewer or shorter ones.")
            if scope["path"] in OPEN:
                await self._app(scope, receive, send)
                return
            caller = await self._caller(headers)
        except Problem as problem:
            await respond(problem, scope, receive, send)
            return
        except CallboardError as error:
            await respond(problem_of(error), scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        key = caller.key
        if key is None or key.at_once is None:
            await self._app(scope, receive, send)
            return
        if self._busy[key.id] >= key.at_once:
            full = f"The key {key.id} may make {key.at_once} requests at once. Wait for one to end."
            await respond(Problem(429, full, retry_after_s=1), scope, receive, send)
            return
        self._busy[key.id] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._busy[key.id] -= 1

    async def _caller(self, headers: Headers) -> Caller:
        if not self._keys:
            host = headers.get("host", "").rpartition(":")
            name = host[0] if host[1] and host[2].isdigit() else headers.get("host", "")
            if name not in LOCAL_HOSTS:
                raise Problem(421, f"This service is for this machine; {name!r} is not its name.")
            return Caller(board=self._board, key=None)
        kind, _, secret = headers.get("authorization", "").partition(" ")
        given = secret.strip() if kind.lower() == "bearer" else ""
        key, wait_s = await run_in_threadpool(self._admit, given)
        if key is None:
            raise Problem(
                401,
                "No good key came with the request. Send 'Authorization: Bearer cb_...'; "
                "'callboard keys create' makes one.",
            )
        if wait_s:
            raise Problem(
                429,
                f"The key {key.id} may make {key.per_minute} requests a minute.",
                retry_after_s=math.ceil(wait_s),
            )
        return Caller(board=self._board.scoped(key.scope.tenant, agents=key.agents), key=key)

    def _admit(self, secret: str) -> tuple[ApiKey | None, float]:
        """Return the key and the seconds that it has to wait; both in one thread."""
        keys = self._board.keys
        key = keys.known_sync(secret)
        return key, 0.0 if key is None else keys.take_sync(key)


_bearer = HTTPBearer(auto_error=False, description="A key: cb_...")  # told in the OpenAPI document


def _with_role(role: Role) -> Any:
    """Return what gives the caller, if it has this role."""

    async def caller_of(request: Request, _: Annotated[Any, Depends(_bearer)]) -> Caller:
        caller: Caller = request.state.caller
        caller.require(role)
        return caller

    return Depends(caller_of)


Asker: TypeAlias = Annotated[Caller, _with_role("ask")]
AgentManager: TypeAlias = Annotated[Caller, _with_role("agents")]
Reader: TypeAlias = Annotated[Caller, _with_role("runs")]
Admin: TypeAlias = Annotated[Caller, _with_role("admin")]
