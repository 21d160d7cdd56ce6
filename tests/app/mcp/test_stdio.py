"""`callboard mcp`: a real process, spoken to over its standard input and output."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters, stdio_client
from typer.testing import CliRunner

from callboard.app.cli import app

SLOW = """
import asyncio

async def sleeper(query):
    print("this goes to nobody's protocol")
    await asyncio.sleep(600)
"""
AGENTS = """
agents:
  - name: sleeper
    description: Sleeps for a very long time.
    function: slow_agents:sleeper
"""


@pytest.fixture
def program(tmp_path: Path) -> StdioServerParameters:
    """Return how `callboard mcp` is started, with the bundled agents and a slow one."""
    (tmp_path / "slow_agents.py").write_text(SLOW, encoding="utf-8")
    (tmp_path / "agents.yaml").write_text(AGENTS, encoding="utf-8")
    (tmp_path / "callboard.toml").write_text("bundled_agents = true\n", encoding="utf-8")
    sys.path.insert(0, str(tmp_path))
    try:
        added = CliRunner().invoke(app, ["agents", "add", "agents.yaml"], catch_exceptions=False)
    finally:
        sys.path.remove(str(tmp_path))
    assert added.exit_code == 0, added.stderr
    path = os.pathsep.join((str(tmp_path), *sys.path))
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "callboard", "mcp"],
        env={"PYTHONPATH": path},
        cwd=tmp_path,
    )


def statuses(folder: Path) -> list[str]:
    database = sqlite3.connect(folder / "callboard.db")
    found = [
        status for (status,) in database.execute("select status from runs order by created_at")
    ]
    database.close()
    return found


async def test_an_agent_asks_gives_up_and_leaves(
    program: StdioServerParameters, tmp_path: Path
) -> None:
    heard = asyncio.Event()

    async def progress(done: float, total: float | None, message: str | None) -> None:
        if message and message.startswith("calling sleeper"):
            heard.set()

    with (tmp_path / "errors").open("w") as errors:
        async with Client(stdio_client(program, errlog=errors)) as client:
            result = await client.call_tool("ask", {"query": "What is 15% of 240?"})
            assert "36" in result.structured_content["answer"]

            sleep = {"query": "Sleep.", "agents": ["sleeper"]}
            given_up = asyncio.create_task(
                client.call_tool("ask", sleep, progress_callback=progress)
            )
            async with asyncio.timeout(30):
                await heard.wait()
            given_up.cancel()
            await asyncio.gather(given_up, return_exceptions=True)
            async with asyncio.timeout(10):
                while statuses(tmp_path) != ["done", "cancelled"]:
                    await asyncio.sleep(0.05)

            heard.clear()
            left = asyncio.create_task(client.call_tool("ask", sleep, progress_callback=progress))
            async with asyncio.timeout(30):
                await heard.wait()
        await asyncio.gather(left, return_exceptions=True)
    assert statuses(tmp_path) == ["done", "cancelled", "cancelled"]
    assert "nobody's protocol" in (tmp_path / "errors").read_text()


def test_nothing_but_the_protocol_is_on_standard_output(
    program: StdioServerParameters, tmp_path: Path
) -> None:
    start: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        },
    }
    done = subprocess.run(
        [program.command, *program.args],
        input=f"nonsense\n{json.dumps(start)}\n",
        env={**os.environ, **(program.env or {})},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(line["jsonrpc"] == "2.0" for line in lines)
    assert any(line.get("id") == 1 and "result" in line for line in lines)


def test_wrong_settings_are_one_line_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "callboard.toml").write_text("[router]\nmax_agent = 2\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["mcp"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "max_agents" in result.stderr


def test_without_the_package_the_command_says_how_to_install_it() -> None:
    code = "import sys; sys.modules['mcp'] = None; from callboard.app.cli import app; app(['mcp'])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'callboard[mcp]'" in done.stderr
