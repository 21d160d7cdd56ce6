"""What tells a user whether servers work, and the example of the page on MCP."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp_server import HttpServer

from callboard import Board, Settings
from callboard.app.mcp.http import BoardApp
from callboard.app.readiness import server_checks
from callboard.mcp_settings import McpSettings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "mcp.md"


def test_the_doctor_counts_the_tools_of_each_server_and_tells_the_fix() -> None:
    with HttpServer() as server:
        found = server_checks(
            Settings(
                mcp={
                    "far": McpSettings(url=server.url),
                    "gone": McpSettings(command="no-such-program"),
                }
            )
        )
        far, gone = found
    assert (far.name, far.state, far.detail) == ("mcp far", "ok", "9 tools")
    assert (gone.name, gone.state) == ("mcp gone", "warn")
    assert "'no-such-program' can't be started" in gone.detail
    assert gone.fix == "Start it, or mend [mcp.gone] in the settings."


def test_without_servers_there_is_nothing_to_look_at() -> None:
    assert list(server_checks(Settings())) == []


def test_the_app_of_the_page_can_be_built() -> None:
    (code,) = (
        snippet
        for snippet in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        if "BoardApp" in snippet
    )
    names: dict[str, Any] = {"__name__": "example"}
    exec(code, names)
    assert isinstance(names["served"], BoardApp)
    assert isinstance(names["board"], Board)
    names["board"].close()


def test_without_the_package_the_doctor_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    (found,) = server_checks(Settings(mcp={"far": McpSettings(url="http://127.0.0.1:9/mcp")}))
    assert (found.name, found.state) == ("mcp", "bad")
    assert "pip install 'callboard[mcp]'" in found.fix
