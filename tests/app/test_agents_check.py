"""`callboard agents check`: what it finds, suggests and saves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer
from typer.testing import CliRunner, Result

from callboard.app.cli import app

AGENTS = """
agents:
  - name: billing
    description: Invoices, charges and refunds.
    examples: ["why was I charged twice?", "send me the invoice again", "my money back please"]
  - name: parcels
    description: Delivery times, tracking and lost parcels.
    examples:
      - when will my parcel arrive?
      - track my order
      - why does the invoice charge me twice?
"""
SUGGESTED = {
    "reason": "Tells charges from parcels.",
    "description": "Delivery times, tracking and the charges for lost parcels.",
    "examples": ["charged for a lost parcel"],
}


def check(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["agents", "check", *arguments], catch_exceptions=False)


def shown(name: str) -> Any:
    result = CliRunner().invoke(app, ["agents", "show", name, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def server(tmp_path: Path) -> Iterator[OpenAIServer]:
    """Return the model of a board that has two agents."""
    with OpenAIServer(json.dumps(SUGGESTED)) as server:
        (tmp_path / "callboard.toml").write_text(
            "bundled_agents = false\n[models.main]\n"
            f'model = "hosted_vllm/x"\napi_base = "{server.url}"\nretries = 0\n'
            "price = { input_per_million = 1.0, output_per_million = 1.0 }\n",
            encoding="utf-8",
        )
        file = tmp_path / "agents.yaml"
        file.write_text(AGENTS, encoding="utf-8")
        added = CliRunner().invoke(app, ["agents", "add", str(file)], catch_exceptions=False)
        assert added.exit_code == 0, added.stderr
        yield server


def test_a_check_tells_what_goes_to_whom_and_asks_no_model(server: OpenAIServer) -> None:
    result = check()
    assert result.exit_code == 0, result.stderr
    assert "why does the invoice charge me twice?" in result.stdout
    assert "parcels -> billing" in result.stdout
    assert "2 agents looked at" in result.stdout
    assert server.requests == []


def test_a_check_as_json_has_all_that_was_found() -> None:
    data = json.loads(check("--json").stdout)
    assert {"agents", "confusions", "alike", "suggestions", "saved"} == set(data)
    assert [one["agent"] for one in data["agents"]] == ["billing", "parcels"]
    found = [one for one in data["confusions"] if one["agent"] == "parcels"]
    assert [(one["other"], one["query"]) for one in found] == [
        ("billing", "why does the invoice charge me twice?")
    ]
    assert (data["suggestions"], data["saved"]) == ([], False)


def test_suggestions_are_shown_as_a_difference_and_not_saved(server: OpenAIServer) -> None:
    result = check("--suggest", "--agents", "parcels")
    assert result.exit_code == 0, result.stderr
    assert "- Delivery times, tracking and lost parcels." in result.stdout
    assert "+ Delivery times, tracking and the charges for lost parcels." in result.stdout
    assert "+ charged for a lost parcel" in result.stdout
    assert "Nothing was saved" in result.stderr
    assert len(server.requests) == 1
    assert shown("parcels")["version"] == 1


def test_what_is_saved_keeps_the_examples_and_all_else() -> None:
    before = shown("parcels")
    result = check("--suggest", "--agents", "parcels", "--save", "--json")
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    assert data["saved"] is True
    assert [one["agent"] for one in data["suggestions"]] == ["parcels"]
    after = shown("parcels")
    assert after["description"] == SUGGESTED["description"]
    assert after["examples"] == [*before["examples"], "charged for a lost parcel"]
    assert after["version"] == 2
    assert shown("billing")["version"] == 1


@pytest.mark.parametrize("options", [["--save"], ["--agents", "parcels"], ["--budget", "1"]])
def test_options_that_say_how_to_suggest_need_suggest(options: list[str]) -> None:
    result = check(*options)
    assert result.exit_code != 0
    assert "Add --suggest" in result.stderr


def test_a_wrong_name_or_budget_is_refused_in_one_line(server: OpenAIServer) -> None:
    for options, told in ((["--agents", "parcel"], "'parcels'"), (["--budget", "x"], "'x'")):
        result = check("--suggest", *options)
        assert result.exit_code == 1
        assert told in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    assert server.requests == []


def test_a_model_that_talks_nonsense_changes_nothing(server: OpenAIServer) -> None:
    server.script("Hm.")
    result = check("--suggest", "--save", "--agents", "parcels")
    assert result.exit_code == 1
    assert "'parcels'" in result.stderr
    assert shown("parcels")["version"] == 1
