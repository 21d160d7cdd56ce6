"""The server over streamable HTTP: a real uvicorn on this machine, and the official client."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

from callboard import Board
from callboard.app.mcp.caller import Caller
from callboard.app.mcp.http import BoardApp


class Site:
    """An app that knows its callers by their keys, with the server at /mcp."""

    def __init__(self, keys: dict[str, Caller], **options: Any) -> None:
        async def board_for(request: Request | None) -> Caller:
            assert request is not None
            key = request.headers.get("authorization", "").removeprefix("Bearer ")
            if key not in keys:
                raise HTTPException(401, "Send a key that is known.")
            return keys[key]

        served = BoardApp(board_for, **options)

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            async with served.running():
                yield

        app = Starlette(routes=[Route("/mcp", endpoint=served)], lifespan=lifespan)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="critical")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def __enter__(self) -> Site:
        self._thread.start()
        while not self._server.started:
            threading.Event().wait(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()

    @asynccontextmanager
    async def client(self, key: str, mode: str = "auto") -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {key}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30) as http,
            Client(streamable_http_client(self.url, http_client=http), mode=mode) as client,
        ):
            yield client


@pytest.fixture(scope="module")
def site(board: Board) -> Iterator[Site]:
    keys = {
        "ann": Caller(board=board, user="ann"),
        "bob": Caller(board=board.scoped("local", agents=("dates",)), user="bob", key="bob's"),
    }
    with Site(keys) as made:
        yield made


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_key_says_whose_question_it_is(site: Site, board: Board, mode: str) -> None:
    async with site.client("ann", mode) as client:
        result = await client.call_tool("ask", {"query": "What is 15% of 240?"})
    assert not result.is_error, result
    run = board.get_sync(result.structured_content["run_id"], user="ann")
    assert (run.scope.user, run.answer) == ("ann", "15% of 240 is 36.")


async def test_a_key_may_be_for_some_agents_only(site: Site) -> None:
    async with site.client("bob") as client:
        listed = await client.call_tool("list_agents", {})
        assert [one["name"] for one in listed.structured_content["agents"]] == ["dates"]
        routed = await client.call_tool("route", {"query": "What is 20% of 150?"})
        names = [one["agent"] for one in routed.structured_content["candidates"]]
        assert "calculator" not in [*names, *routed.structured_content["agents"]]
        pinned = await client.call_tool("ask", {"query": "x", "agents": ["calculator"]})
        assert pinned.is_error
        assert "No agent 'calculator' can be called" in pinned.content[0].text


async def test_the_user_can_not_be_said_in_the_arguments(site: Site) -> None:
    async with site.client("bob") as client:
        result = await client.call_tool("ask", {"query": "x", "user": "ann"})
    assert result.is_error
    assert "'user' is not a known key" in result.content[0].text


async def test_without_a_known_key_nothing_is_answered(site: Site) -> None:
    with pytest.raises((MCPError, ExceptionGroup)):
        async with site.client("eve"):
            pass
    async with httpx2.AsyncClient() as http:
        answer = await http.post(site.url, json={}, headers={"Authorization": "Bearer eve"})
    assert (answer.status_code, answer.text) == (401, "Send a key that is known.")


async def test_a_session_of_the_protocol_belongs_to_who_began_it(site: Site) -> None:
    start = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        },
    }
    wanted = {"Accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(headers=wanted) as http:
        begun = await http.post(site.url, json=start, headers={"Authorization": "Bearer ann"})
        session = {"mcp-session-id": begun.headers["mcp-session-id"]}
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        statuses = [
            (
                await http.post(
                    site.url, json=listing, headers={**session, "Authorization": f"Bearer {who}"}
                )
            ).status_code
            for who in ("ann", "bob")
        ]
    assert statuses == [200, 404]


async def test_a_page_that_names_the_server_its_own_way_is_refused(board: Board) -> None:
    keys = {"ann": Caller(board=board, user="ann")}
    headers = {
        "Authorization": "Bearer ann",
        "Host": "evil.example",
        "Accept": "application/json, text/event-stream",
    }
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with httpx2.AsyncClient(headers=headers) as http:
        with Site(keys) as site:
            assert (await http.post(site.url, json=call)).status_code == 421
        with Site(keys, hosts=None) as site:
            assert (await http.post(site.url, json=call)).status_code != 421


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_that_gives_up_stops_the_run(site: Site, board: Board, mode: str) -> None:
    async with site.client("ann", mode) as client:
        heard = asyncio.Event()

        async def progress(done: float, total: float | None, message: str | None) -> None:
            if message and message.startswith("calling sleeper"):
                heard.set()

        asking = asyncio.create_task(
            client.call_tool(
                "ask", {"query": "Sleep.", "agents": ["sleeper"]}, progress_callback=progress
            )
        )
        async with asyncio.timeout(30):
            await heard.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        async with asyncio.timeout(10):
            while (run := (await board.list(user="ann"))[0]).status == "running":
                await asyncio.sleep(0.05)
    assert run.status == "cancelled"
