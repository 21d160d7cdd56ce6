"""`callboard experts`: added, listed, chosen, removed, and who did it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from experts_by_hand import leading
from typer.testing import CliRunner, Result

from callboard import Settings
from callboard.app.cli import app
from callboard.app.cli.drawing import draw_run
from callboard.app.cli.terminal import out
from callboard.app.views import expert_views, run_json
from callboard.search.encoders import load_encoder
from callboard.search.experts.files import save_expert
from callboard.values import Run

QUERY = "How long may I send it back?"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    encoder = load_encoder("minilm", Settings().cache_dir)
    made = tmp_path / "returns.safetensors"
    save_expert(leading(encoder, QUERY, "Returns within 30 days.", name="returns"), made)
    return made


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["experts", *arguments], catch_exceptions=False)


def as_json(*arguments: str) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_an_expert_is_added_listed_chosen_and_removed(file: Path) -> None:
    assert "There are none" in call("list").stderr
    added = call("add", str(file), "--serves", "memory,agents")
    assert "returns, for memory, agents" in added.stderr
    (one,) = as_json("list")["experts"]
    assert (one["name"], one["serves"], one["reason"]) == ("returns", ["memory", "agents"], "")
    assert one["score"]["gain"] == pytest.approx(0.1)
    assert "over the base, on 10 queries" in " ".join(call("list").stdout.split())
    shown = " ".join(call("show", "returns").stdout.split())
    assert "by hand, 1 pairs" in shown
    chosen = as_json("choose", QUERY, "--for", "memory,documents")
    assert chosen["memory"]["expert"] == "returns"
    assert chosen["documents"] == {
        "expert": None,
        "reason": "The base reads: no expert serves documents.",
        "scores": {},
    }
    assert "returns" in call("choose", QUERY).stdout
    assert as_json("list", "--tenant", "other") == {"experts": []}
    assert as_json("remove", "returns") == {"removed": ["returns"]}
    assert as_json("list") == {"experts": []}


def test_the_audit_log_tells_of_experts_and_errors_are_words(file: Path) -> None:
    call("add", str(file))
    refused = CliRunner().invoke(app, ["experts", "remove", "return"])
    assert refused.exit_code == 1
    assert "did you mean 'returns'" in refused.stderr
    assert call("add", str(file), "--serves", "pages").exit_code == 2
    call("remove", "returns")
    audit = CliRunner().invoke(app, ["keys", "audit", "--json"])
    changes = json.loads(audit.stdout)["changes"]
    assert [(one["action"], one["object"], one["outcome"]) for one in changes] == [
        ("remove expert", "returns", "done"),
        ("remove expert", "return", "refused"),
        ("add expert", "returns.safetensors", "done"),
    ]


def test_a_run_shows_which_expert_read_it_and_why(run: Run) -> None:
    retrieve = next(step for step in run.steps if step.name == "retrieve")
    act = next(step for step in run.steps if step.name == "act")
    below = [
        replace(
            above,
            id=f"e{number}",
            parent_id=above.id,
            key=f"{above.key}/expert",
            name="expert",
            output={corpus: {"expert": expert, "reason": reason, "scores": {"returns": 0.9}}},
        )
        for number, (above, corpus, expert, reason) in enumerate(
            [
                (retrieve, "agents", "returns", "returns by the most probable: returns 0.90."),
                (act, "documents", None, "base by the most probable: base 0.50."),
            ]
        )
    ]
    shown = replace(run, steps=(*run.steps, *below))
    assert run_json(run)["experts"] == []
    first, second = expert_views(shown)
    assert (first.told, first.expert) == ("retrieve, agents", "returns")
    assert second.told == f"act {act.agent}, documents"
    assert json.loads(json.dumps(run_json(shown)["experts"]))[0]["scores"] == {"returns": 0.9}
    console = out()
    with console.capture() as captured:
        console.print(draw_run(shown), width=120)
    assert "returns by the most probable: returns 0.90." in captured.get()
    assert "Experts" in captured.get()
