"""`init` writes files that work, and never overwrites what is there."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callboard.app.cli import app
from callboard.config import Settings, load_settings

RUNNER = CliRunner()


@pytest.fixture
def template() -> str:
    return files("callboard.app.cli").joinpath("templates", "callboard.toml").read_text("utf-8")


def test_init_writes_settings_and_agents_that_can_be_read(tmp_path: Path) -> None:
    from callboard.agents.catalogue import read_agents

    result = RUNNER.invoke(app, ["init"])
    assert result.exit_code == 0, result.stderr
    assert load_settings(tmp_path / "callboard.toml").bundled_agents
    assert [agent.name for agent in read_agents(tmp_path / "agents.yaml")] == ["support"]


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    mine = tmp_path / "agents.yaml"
    mine.write_text("mine", encoding="utf-8")
    result = RUNNER.invoke(app, ["init"])
    assert result.exit_code == 1
    assert "agents.yaml" in result.stderr
    assert "--force" in result.stderr
    assert mine.read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "callboard.toml").exists()


def test_init_overwrites_when_told_to(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text("mine", encoding="utf-8")
    result = RUNNER.invoke(app, ["init", "--force", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"written": ["callboard.toml", "agents.yaml"]}
    assert "support" in (tmp_path / "agents.yaml").read_text(encoding="utf-8")


def test_every_setting_that_is_commented_out_is_one(template: str, tmp_path: Path) -> None:
    active = re.sub(r"^#(?=[a-z_]+ = |\[)", "", template, flags=re.M)
    active = active.replace("#fallback", "fallback")
    file = tmp_path / "all.toml"
    file.write_text(active, encoding="utf-8")
    settings = load_settings(file)
    assert settings.models["main"].model == "hosted_vllm/Qwen/Qwen3-8B"
    assert settings.limits.budget_usd is not None


def test_what_is_commented_out_shows_the_defaults(template: str, tmp_path: Path) -> None:
    examples = (
        r"^#(\[models|model = .hosted|api_|context_|price|fallback|budget_usd|timeout_s|retries"
        r"|\[mcp|command|args|env|approve|idempotent|url|headers_env)"
    )
    kept = "\n".join(line for line in template.splitlines() if not re.match(examples, line))
    file = tmp_path / "defaults.toml"
    file.write_text(re.sub(r"^#(?=[a-z_]+ = )", "", kept, flags=re.M), encoding="utf-8")
    shown, defaults = load_settings(file), Settings(bundled_agents=True)
    for field in ("router", "memory", "refiner", "limits", "encoder", "bundled_agents"):
        assert getattr(shown, field) == getattr(defaults, field)
