"""Keys and passwords of the settings, planted everywhere: no place that people see shows one."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from openai_server import OpenAIServer, Reply
from pipelines.test_telemetry import Collector

from callboard import Agent, Board
from callboard.app.export import csv_of, json_of, spend_csv
from callboard.app.ui.visitor import the_board
from callboard.config import load_settings
from callboard.model_settings import ModelSettings
from callboard.records import RunFilter

from .conftest import words

# LiteLLM ignores its own use of a deprecated pydantic attribute, but pytest resets its filter.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

KEYS = {
    "TINY_KEY": "canaryA1-of-the-model",
    "OTHER_KEY": "canaryB2-of-an-agent",
    "COLLECTOR": "x-token=canaryC3-of-the-collector",
}
PASSWORD = "canaryD4-in-an-address"
CANARIES = ("canaryA1", "canaryB2", "canaryC3", "canaryD4")

SETTINGS = """
[models.main]
model = "hosted_vllm/tiny"
api_base = "{base}"
api_key_env = "TINY_KEY"
direct = {direct}
retries = 0

[models.gone]
model = "hosted_vllm/tiny"
api_base = "http://me:{password}@127.0.0.1:9/v1"
direct = {direct}
retries = 0

[router]
policy = "retrieval"

[telemetry]
otlp_endpoint = "{collector}"
headers_env = "COLLECTOR"
content = true
logs = "json"
log_level = "debug"
"""


def telling(status: int, key: str) -> Reply:
    """A server that repeats what it was sent: the key, headers, and a password."""
    said = f"Bad key {KEYS[key]} (Bearer {KEYS[key]}) at http://u:{PASSWORD}@host"
    return Reply(status=status, error=said)


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
def server():
    with OpenAIServer("Fine.") as server:
        yield server


@pytest.fixture(params=["false", "true"], ids=["litellm", "direct"])
def board(request, tmp_path: Path, server, collector, monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    values = {"base": server.url, "collector": collector.url, "password": PASSWORD}
    file = tmp_path / "callboard.toml"
    file.write_text(SETTINGS.format(direct=request.param, **values), encoding="utf-8")
    the_board.clear()
    board = the_board()
    yield board
    board.close()
    the_board.clear()


def test_no_canary_is_seen_anywhere(
    board: Board, server, collector, open_page, tmp_path, capsys, caplog
):
    own = ModelSettings(
        model="hosted_vllm/tiny", api_base=server.url, api_key_env="OTHER_KEY", retries=0
    )
    agents = {
        "fine": {},
        "refused": {},
        "failing": {},
        "gone": {"model": "gone"},
        "own": {"endpoint": own},
    }
    for name, more in agents.items():
        board.register(Agent(name=name, description=f"Answers what {name} is asked.", **more))
    script = {
        "refused": telling(401, "TINY_KEY"),
        "failing": telling(500, "TINY_KEY"),
        "own": telling(403, "OTHER_KEY"),
    }
    runs = []
    for name in agents:
        server.script(script.get(name, "Fine."))
        runs.append(board.run_sync(f"A question for {name}", agents=[name]))
    assert [run.status for run in runs] == ["done", "failed", "failed", "failed", "failed"]
    assert {one["authorization"] for one in server.headers} == {
        f"Bearer {KEYS['TINY_KEY']}",
        f"Bearer {KEYS['OTHER_KEY']}",
    }
    server.script(telling(403, "TINY_KEY"))
    board.models.check_sync()

    seen = {f"run {run.id}": repr(run) for run in runs}
    seen["settings"] = repr(load_settings())
    kept = board.records.runs_sync(RunFilter(), user=None).runs
    seen["runs.csv"], seen["runs.json"] = csv_of(kept), json_of(kept)
    seen["spend.csv"] = spend_csv(board.records.spend_sync(user=None))
    for name in ("decisions", "costs", "settings", "agents", "memory"):
        page = open_page(name)
        tables = [one.value.to_string() for one in (*page.dataframe, *page.table)]
        seen[f"page {name}"] = words(page) + "".join(tables)
    for run in runs:
        seen[f"page of {run.id}"] = words(open_page("decisions", run=run.id))
    board.close()
    captured = capsys.readouterr()
    seen["stderr"], seen["stdout"], seen["log"] = captured.err, captured.out, caplog.text
    seen["spans"] = "".join(body.decode("latin-1") for body in collector.bodies)
    seen["rows"] = "".join(_rows(tmp_path / "callboard.db"))

    assert "Bad key ***" in seen["rows"]  # the endpoint's words are told, but for the key
    assert "Bad key ***" in seen["spans"]
    ended = [json.loads(line) for line in captured.err.splitlines() if '"Run ended"' in line]
    assert [line["status"] for line in ended] == [run.status for run in runs]
    found = [
        f"{canary} in {place}"
        for place, text in seen.items()
        for canary in CANARIES
        if canary in text
    ]
    assert found == []


def _rows(file: Path):
    connection = sqlite3.connect(file)
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        for row in connection.execute(f"SELECT * FROM {table}"):
            yield repr(row)
    connection.close()
