"""What the tools take, give and say; the official client, in the same process."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from mcp import Client
from pipeline_boards import TWO, with_agents
from starlette.requests import Request

from callboard import Agent, Board, ScriptedModel, Settings
from callboard.app.mcp.caller import Caller
from callboard.app.mcp.server import board_server
from callboard.model_settings import ModelSettings
from callboard.values import UNKNOWN_USAGE


def connected(board: Board, **caller: Any) -> Client:
    async def local(_: Request | None) -> Caller:
        return Caller(board=board, **caller)

    return Client(board_server(local))


async def test_the_tools_say_what_they_take_and_give(board: Board) -> None:
    async with connected(board) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(tools) == ["ask", "route", "list_agents"]
    assert set(tools["ask"].input_schema["properties"]) == {
        "query",
        "session",
        "agents",
        "memory",
        "budget_usd",
    }
    assert tools["ask"].input_schema["required"] == ["query"]
    assert tools["ask"].input_schema["additionalProperties"] is False
    assert all(tool.output_schema for tool in tools.values())
    hints = [tool.annotations and tool.annotations.read_only_hint for tool in tools.values()]
    assert hints == [False, True, True]


async def test_ask_gives_the_answer_with_its_agents_reason_and_cost(board: Board) -> None:
    told: list[tuple[float, str | None]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append((done, message))

    async with connected(board) as client:
        result = await client.call_tool(
            "ask", {"query": TWO, "session": "s1"}, progress_callback=progress
        )
    said = result.structured_content
    assert not result.is_error
    assert result.content[0].text == said["answer"]
    assert "15% of 240 is 36." in said["answer"]
    assert sorted(said["agents"]) == ["calculator", "dates"]
    assert said["reason"]
    assert (said["cost_usd"], said["known_cost_usd"]) == (0.0, 0.0)
    assert board.get_sync(said["run_id"]).scope.session == "s1"
    messages = [message or "" for _, message in told]
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert messages[0] == "retrieve"
    assert any(message.startswith("calling ") for message in messages)
    assert {"calculator answered", "dates answered"} <= set(messages)


async def test_a_cost_that_is_not_known_is_null_and_not_0(board: Board) -> None:
    unpriced = ModelSettings(model="openai/of-unknown-price", retries=0)
    settings = Settings(
        database_url="sqlite://", models={"main": unpriced}, router={"policy": "retrieval"}
    )
    model = ScriptedModel(lambda _: "Hello.", usage=UNKNOWN_USAGE)
    with Board(settings, models={"main": model}) as other:
        other.register(Agent(name="greeter", description="Says hello to everybody."))
        async with connected(other) as client:
            result = await client.call_tool("ask", {"query": "Hi.", "agents": ["greeter"]})
    assert result.structured_content["answer"] == "Hello."
    assert result.structured_content["cost_usd"] is None
    assert result.structured_content["known_cost_usd"] == 0.0


async def test_route_decides_and_calls_nobody(board: Board) -> None:
    async with connected(board, user="ada") as client:
        result = await client.call_tool("route", {"query": "What is 20% of 150?"})
    assert result.structured_content["agents"] == ["calculator"]
    assert result.structured_content["candidates"][0]["chosen"] is True
    assert result.content[0].text.startswith("calculator: ")
    assert board.list_sync(user="ada") == ()


async def test_list_agents_finds_by_text_and_keeps_to_the_limit(board: Board) -> None:
    async with connected(board) as client:
        all_of_them = (await client.call_tool("list_agents", {})).structured_content
        one = (await client.call_tool("list_agents", {"limit": 1})).structured_content
        some = (
            await client.call_tool("list_agents", {"containing": "WEEKDAYS"})
        ).structured_content
    names = [card["name"] for card in all_of_them["agents"]]
    assert names == ["broken", "calculator", "dates", "sleeper", "writer"]
    assert (len(one["agents"]), one["total"]) == (1, 5)
    assert [card["name"] for card in some["agents"]] == ["dates"]
    assert all_of_them["agents"][1]["examples"] == ["What is 20% of 150?", "what is 3 times 4?"]


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("ask", {"query": " "}, "The query is empty"),
        ("ask", {"query": "x", "budget": 1}, "did you mean 'budget_usd'"),
        ("ask", {"query": "x", "budget_usd": -1}, "'budget_usd': Input should be greater"),
        ("ask", {}, "'query': Field required"),
        ("ask", {"query": "x", "agents": ["calculater"]}, "calculater"),
        ("route", {"query": "x", "agents": []}, "pins no agent"),
        ("list_agents", {"limit": 0}, "'limit'"),
        ("aks", {}, "There is no tool 'aks': did you mean 'ask'?"),
    ],
)
async def test_a_mistake_is_said_in_words(
    board: Board, tool: str, arguments: dict[str, Any], said: str
) -> None:
    async with connected(board) as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert said in result.content[0].text


async def test_a_turn_that_fails_is_an_error_with_its_reason_and_run(board: Board) -> None:
    async with connected(board, user="eve") as client:
        result = await client.call_tool("ask", {"query": "Do it.", "agents": ["broken"]})
    assert result.is_error
    assert "the shelf is empty" in result.content[0].text
    assert f"(run {board.list_sync(user='eve')[0].id})" in result.content[0].text


async def test_the_fallback_agent_is_not_called_for_who_may_not_call_it(board: Board) -> None:
    router = board.settings.router.model_copy(update={"fallback_agent": "calculator"})
    settings = board.settings.model_copy(update={"router": router})
    query = {"query": "Sing me a song about the sea."}
    with with_agents(Board(settings, recover=False)) as strict:
        async with connected(strict) as client:
            anybody = await client.call_tool("route", query)
        async with connected(strict.scoped("local", agents=("dates",))) as client:
            bob = await client.call_tool("route", query)
    assert anybody.structured_content["agents"] == ["calculator"]
    assert bob.structured_content["agents"] == []


async def test_a_budget_is_kept(board: Board) -> None:
    async with connected(board, user="bob") as client:
        result = await client.call_tool(
            "ask", {"query": "Write.", "agents": ["writer"], "budget_usd": 0}
        )
    assert result.is_error
    run = board.list_sync(user="bob")[0]
    assert run.known_cost_usd == Decimal(0)
