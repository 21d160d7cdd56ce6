"""Whole turns whose agents use the tools of real servers, over stdio and over HTTP."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from mcp_server import HttpServer
from pipeline_boards import ABLE

from callboard import Agent, Board, ConfigurationError, InvalidInput, Run, ScriptedModel, Settings
from callboard.agents.mcp.servers import ToolServers
from callboard.mcp_settings import McpSettings
from callboard.models.chat import ChatReply, ChatRequest, ToolCall
from callboard.values import Usage

STDIO = McpSettings(
    command=sys.executable,
    args=(str(Path(__file__).parents[2] / "mcp_server.py"),),
    env=("SMALL_KEY",),
    approve=("pid",),
    idempotent=("add", "report"),
)
KEY = "canary-of-the-program"
TOKEN = "canary-of-the-address"


def wants(name: str, **arguments: Any) -> Callable[[ChatRequest], ChatReply]:
    call = ToolCall(id="c1", name=name, arguments=json.dumps(arguments))
    reply = ChatReply(text="", model="m", usage=Usage(), latency_s=0.0, tool_calls=(call,))
    return lambda request: reply


class Team:
    """A Board whose model calls tools as it is told, and then repeats what they gave."""

    def __init__(self, folder: Path, servers: Mapping[str, McpSettings], **options: Any) -> None:
        self.file = folder / "board.db"
        self.asked: list[ChatRequest] = []
        self._script: list[Callable[[ChatRequest], ChatReply]] = []
        self.board = Board(
            Settings(
                database_url=f"sqlite:///{self.file}",
                models={"main": ABLE},
                mcp=dict(servers),
                memory={"enabled": False},
                router={"policy": "retrieval"},
            ),
            models={"main": ScriptedModel(self._reply)},
            **options,
        )

    def _reply(self, request: ChatRequest) -> str | ChatReply:
        self.asked.append(request)
        if self._script:
            return self._script.pop(0)(request)
        return " | ".join(one.content for one in request.messages if one.role == "tool") or "None."

    def run(self, *calls: Callable[[ChatRequest], ChatReply], tools: tuple[str, ...]) -> Run:
        self._script, self.asked = list(calls), []
        agent = Agent(name="clerk", description="Does what it is asked to do.", tools=tools)
        self.board.register(agent, replace=True)
        return self.board.run_sync("Do it.", agents=["clerk"])

    @property
    def offered(self) -> dict[str, str]:
        return {tool.name: tool.description for tool in self.asked[0].tools}


Make = Callable[..., Any]


@pytest.fixture(scope="module")
def http() -> Iterator[HttpServer]:
    with HttpServer() as server:
        yield server


@pytest.fixture(scope="module")
def team(http: HttpServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Return a team with one server over stdio, one over HTTP, and one that is not there."""
    environment = pytest.MonkeyPatch()
    environment.setenv("SMALL_KEY", KEY)
    environment.setenv("SMALL_HEADERS", f"Authorization=Bearer {TOKEN}, X-Other=1")
    servers = {
        "small": STDIO,
        "far": McpSettings(url=http.url, headers_env="SMALL_HEADERS", timeout_s=2),
        "gone": McpSettings(command="no-such-program"),
    }
    made = Team(tmp_path_factory.mktemp("team"), servers)
    yield made
    made.board.close()
    environment.undo()


@pytest.mark.parametrize("server", ["small", "far"])
def test_a_tool_is_called_and_the_call_is_a_step(team: Team, server: str) -> None:
    run = team.run(wants(f"{server}_add", a=2, b=3), tools=(f"mcp:{server}/add",))
    assert (run.status, run.answer) == ("done", "5")
    assert team.offered == {f"{server}_add": "Add two numbers."}
    assert team.asked[0].tools[0].parameters["required"] == ["a", "b"]
    (step,) = [step for step in run.steps if step.name == f"tool:{server}_add"]
    assert (step.status, step.output, step.agent) == ("done", "5", "clerk")


def test_an_agent_may_have_all_tools_of_a_server_under_names_that_a_model_can_call(
    team: Team,
) -> None:
    team.run(tools=("mcp:small", "mcp:small/add"))
    names = list(team.offered)
    assert "small_wait_long" in names
    assert names.count("small_add") == 1
    assert {"small_note", "small_fail", "small_report"} <= set(names)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (wants("far_fail"), "reports an error: Error executing tool fail: the disk is full"),
        (wants("far_add", a="x", b=1), "should be a valid integer"),
        (wants("far_nothing"), "Unknown tool: nothing"),
        (wants("far_wait_long", seconds=30), "took longer than 2 s"),
        (wants("far_picture"), "[image: not text]"),
        (wants("small_pid"), "was not called: its use was not approved"),
    ],
)
def test_what_goes_wrong_is_said_in_words(
    team: Team, call: Callable[[ChatRequest], ChatReply], said: str
) -> None:
    run = team.run(call, tools=("mcp:far", "mcp:far/nothing", "mcp:small/pid"))
    assert run.status == "done"
    assert said in (run.answer or "")


def test_a_long_result_is_cut(team: Team) -> None:
    run = team.run(wants("small_report", chars=50_000), tools=("mcp:small/report",))
    assert len(run.answer or "") < 9_000
    assert "cut: 50,000 characters in all" in (run.answer or "")


@pytest.mark.parametrize("server", ["small", "far"])
def test_no_key_is_shown_to_a_model_or_kept(team: Team, server: str) -> None:
    call = wants(f"{server}_secret", variable="SMALL_KEY")
    run = team.run(call, tools=(f"mcp:{server}/secret",))
    assert "***" in (run.answer or "")
    with sqlite3.connect(team.file) as database:
        dump = "\n".join(database.iterdump())
    database.close()
    assert "clerk" in dump
    shown = f"{dump}{run}{team.asked}{team.board.settings!r}"
    assert TOKEN not in shown
    assert server == "far" or KEY not in shown
    assert {KEY, TOKEN} <= set(team.board.settings.secrets())


def test_a_server_that_dies_is_opened_again_and_the_call_is_not_repeated(
    team: Team, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    run = team.run(
        wants("small_die", path=str(notes)),
        wants("small_add", a=1, b=1),
        tools=("mcp:small",),
    )
    assert run.status == "done"
    assert "ended in the middle of the call" in (run.answer or "")
    assert (run.answer or "").endswith("| 2")
    assert notes.read_text() == "die\n"


def test_a_server_that_is_down_fails_the_call_and_not_the_turn(team: Team) -> None:
    tools = ("mcp:gone/look", "mcp:gone", "mcp:small/add")
    began = time.monotonic()
    run = team.run(wants("gone_look"), wants("gone_tools"), tools=tools)
    assert time.monotonic() - began < 20
    assert run.status == "done"
    assert (run.answer or "").count("'no-such-program' can't be started") == 2
    assert "mend [mcp.gone] in the settings" in (run.answer or "")
    assert "not there now" in team.offered["gone_look"]
    assert "small_add" in team.offered


def test_without_the_package_the_settings_say_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    assert ToolServers({})
    with pytest.raises(ConfigurationError, match=r"pip install 'callboard\[mcp\]'"):
        ToolServers({"small": STDIO})


def test_a_server_that_is_not_configured_is_refused_when_it_is_named(team: Team) -> None:
    with pytest.raises(InvalidInput, match=r"no server 'smal': did you mean 'small'\?.*mcp\.smal"):
        team.run(tools=("mcp:smal/add",))


def test_a_server_over_http_may_be_started_anew_between_two_turns(
    team: Team, http: HttpServer
) -> None:
    call = wants("far_add", a=2, b=2)
    assert team.run(call, tools=("mcp:far",)).answer == "4"
    http.stop()
    run = team.run(call, tools=("mcp:far",))
    assert run.status == "done"
    assert "can't be reached" in (run.answer or "")
    http.start()
    deadline = time.monotonic() + 15  # it is left alone for some seconds
    while team.run(call, tools=("mcp:far",)).answer != "4":
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.mark.parametrize("idempotent", [False, True, ("note",)])
async def test_a_call_that_a_crash_cut_off_is_made_again_only_if_it_says_so(
    scripted: Make, http: HttpServer, tmp_path: Path, idempotent: bool | tuple[str, ...]
) -> None:
    notes = tmp_path / "notes"
    servers = ToolServers({"far": McpSettings(url=http.url, idempotent=idempotent)})
    made = scripted(wants("far_note", path=str(notes), word="hi"), "Done.", servers=servers)
    made.journal.cut_off.add("/tool:0:far_note")
    agent = Agent(name="clerk", description="Does what it is asked to do.", tools=("mcp:far",))
    await made.run(agent)
    await servers.close()
    told = made.model.requests[1].messages[-1].content
    assert notes.exists() == bool(idempotent)
    assert told == "noted" if idempotent else "was begun before" in told


def test_what_says_that_it_may_be_repeated_is_called_again_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setenv("SMALL_KEY", KEY)
    again = STDIO.model_copy(update={"idempotent": True, "approve": False})
    team = Team(tmp_path, {"small": again})
    try:
        run = team.run(wants("small_die", path=str(notes)), tools=("mcp:small",))
        assert "ended in the middle of the call" in (run.answer or "")
        assert notes.read_text() == "die\ndie\n"
    finally:
        team.board.close()


def test_one_process_serves_all_turns_and_ends_with_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALL_KEY", KEY)
    team = Team(tmp_path, {"small": STDIO}, approver=lambda tool, arguments: tool == "small_pid")
    try:
        pids = {team.run(wants("small_pid"), tools=("mcp:small/pid",)).answer for _ in range(2)}
    finally:
        team.board.close()
    (pid,) = pids
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid or ""), 0)
