"""The service: the Board behind HTTP, put together of gate, counters and routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec

from fastapi import FastAPI

from ... import __version__
from ...board import Board
from ...config import Settings
from ...models.chat import ChatModel
from . import agents, chat, health, keys, memory, metrics, records, runs, users
from .access import Gate
from .leaving import Leaving
from .problems import tell_problems

_ABOUT = (
    "Ask the board with OpenAI's clients at /v1/chat/completions, or with runs that go on whoever "
    "listens. Tenant, user and rights come from the key."
)


def service(
    settings: Settings,
    *,
    keys_needed: bool = True,
    alone: bool = True,
    models: Mapping[str, ChatModel] | None = None,
) -> FastAPI:
    """Return the ASGI application; it opens its Board when it starts, and closes it at the end.

    Without `keys_needed` it answers whoever calls it by a name of this machine, with all rights.
    `alone` says that no other process shares its address. `models` stand in the place of configured
    ones, as for a Board.
    """
    counted = metrics.Metrics()
    board = Board(settings.serving_others(), models=models, observers=(counted,))

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with board, AsyncExitStack() as serving:
            await board.prepare(learn=False)
            if app.state.mcp is not None:
                await serving.enter_async_context(app.state.mcp.running())
            yield
            app.state.closing = True
            await app.state.leaving.close()
            await board.drain(settings.service.drain_s)

    app = FastAPI(
        title="Callboard",
        version=__version__,
        description=_ABOUT,
        lifespan=life,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        max_body_size=settings.service.body_bytes,
    )
    app.state.board = board
    app.state.metrics = counted
    app.state.leaving = Leaving()
    app.state.closing = False
    app.state.mcp = None
    tell_problems(app)
    for room in (chat, agents, runs, records, memory, keys, users, metrics, health):
        app.include_router(room.router)
    if find_spec("mcp") is not None:  # the extra mcp
        from .mcp import mount

        app.state.mcp = mount(app, alone=alone, body_bytes=settings.service.body_bytes)
    app.add_middleware(metrics.Counting, metrics=counted)
    # What is added last is asked first.
    app.add_middleware(
        Gate, board=board, keys=keys_needed, header_bytes=settings.service.header_bytes
    )
    return app
