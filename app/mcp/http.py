"""The server over streamable HTTP, as an ASGI app to be mounted in another.

mcp = BoardApp(board_for)

@asynccontextmanager
async def lifespan(app):
    async with mcp.running():
        yield

app = FastAPI(lifespan=lifespan)
app.router.routes.append(Route("/mcp", endpoint=mcp))
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import cast

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from .caller import BoardFor, Caller
from .server import board_server

THIS_MACHINE = ("127.0.0.1:*", "localhost:*", "[::1]:*")
BODY_BYTES = 2_000_000

_CALLER = "callboard.caller"
_WAYS = ("http", "https")


class BoardApp:
    """The ASGI app: every request is first shown to `board_for`, which refuses it by raising.

    `hosts` are the Host headers that are answered, `name:*` for any port, so that no page in a
    browser reaches a server of this machine by a name of its own. None: any host, which is safe
    where every request must bring a key. `stateless` serves clients of protocols before 2026
    without sessions, which one process alone knows of; they can't give up a call then.
    """

    def __init__(
        self,
        board_for: BoardFor,
        *,
        hosts: Sequence[str] | None = THIS_MACHINE,
        stateless: bool = False,
        body_bytes: int = BODY_BYTES,
    ) -> None:
        self._board_for = board_for
        self._sessions = StreamableHTTPSessionManager(
            app=board_server(_recognized),
            stateless=stateless,
            max_request_body_size=body_bytes,
            security_settings=TransportSecuritySettings(
                enable_dns_rebinding_protection=hosts is not None,
                allowed_hosts=list(hosts or ()),
                allowed_origins=[f"{way}://{host}" for host in hosts or () for way in _WAYS],
            ),
        )

    def running(self) -> AbstractAsyncContextManager[None]:
        """Keep what serves the requests; enter it once, for as long as the app serves."""
        return self._sessions.run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        caller = await self._board_for(Request(scope))
        known = {**scope, _CALLER: caller, "user": _owner(caller)}
        await self._sessions.handle_request(known, receive, send)


async def _recognized(request: Request | None) -> Caller:
    """Return the caller that `BoardApp` found for the request."""
    caller: Caller = cast(Request, request).scope[_CALLER]
    return caller


def _owner(caller: Caller) -> AuthenticatedUser:
    """Return the caller as the library knows it: no other one may use a session of the protocol."""
    token = AccessToken(token="", client_id=caller.user, scopes=[], subject=caller.key)
    return AuthenticatedUser(token)
