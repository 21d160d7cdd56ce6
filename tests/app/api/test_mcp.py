"""`/mcp` of the service, asked by the official client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from api_service import Service
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


@asynccontextmanager
async def connected(served: Service, key: str, mode: str = "auto") -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{served.url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_agent_asks_as_the_user_and_tenant_of_its_key(served: Service, mode: str) -> None:
    async with connected(served, served.key("mia"), mode) as client:
        result = await client.call_tool("ask", {"query": "Will it rain in Oslo?"})
    said: dict[str, Any] = result.structured_content
    assert said["answer"] == "It rains in Oslo."
    run = served.board.scoped("acme").get_sync(said["run_id"], user="mia")
    assert (run.scope.tenant, run.scope.user) == ("acme", "mia")


async def test_a_key_sees_its_tenant_and_its_agents_alone(served: Service) -> None:
    for key in (served.key("eve", tenant="other"), served.key("eve", agents=["other"])):
        async with connected(served, key) as client:
            listed = await client.call_tool("list_agents", {})
            asked = await client.call_tool("ask", {"query": "Rain?", "agents": ["weather"]})
        assert listed.structured_content == {"agents": [], "total": 0}
        assert asked.is_error
        assert "No agent 'weather' can be called" in asked.content[0].text


def test_without_a_key_or_the_role_nothing_is_answered(served: Service) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with served.client() as client:
        assert client.post("/mcp", json=call).status_code == 401
    with served.client(served.key("ada", roles=["runs"])) as client:
        refused = client.post("/mcp", json=call)
    assert refused.status_code == 403
    assert "does not have the role 'ask'" in refused.json()["error"]["message"]


def test_requests_are_counted_under_their_route(served: Service) -> None:
    with served.client(served.key("root", roles=["admin", "ask", "runs"])) as client:
        client.post("/mcp", json={})
        assert 'route="/mcp"' in client.get("/metrics").text
