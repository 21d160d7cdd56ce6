"""The README's Python is run, twice in a row, as a newcomer would run it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from callboard.config import load_settings

ROOT = Path(__file__).resolve().parent.parent

SCRIPTED = """
import callboard
_from_config = callboard.Board.from_config
callboard.Board.from_config = lambda *a, **k: _from_config(
    *a, models={"main": callboard.ScriptedModel(lambda r: "You were charged once too often.")}, **k)
"""
"""Stands in for the embedded model, whose weights not every machine has."""


def snippets(language: str, file: Path = ROOT / "README.md") -> list[str]:
    text = file.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.timeout(500)
@pytest.mark.parametrize("number", range(len(snippets("python"))))
def test_a_python_snippet_runs_twice_in_a_row(number: int, tmp_path: Path) -> None:
    code = SCRIPTED + snippets("python")[number]
    outputs = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-W", "error::UserWarning", "-c", code],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert outputs[0]


def test_the_first_snippet_calls_both_agents(tmp_path: Path) -> None:
    code = SCRIPTED + snippets("python")[0]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert "39.80" in done.stdout
    assert "charged once too often" in done.stdout
    assert "('billing', 'calculator')" in done.stdout


@pytest.mark.parametrize(
    "file",
    [
        ROOT / "README.md",
        *(ROOT / "docs" / name for name in ("mcp.md", "models.md", "security.md")),
    ],
)
def test_every_toml_snippet_is_a_valid_configuration(file: Path, tmp_path: Path) -> None:
    for snippet in snippets("toml", file):
        assert tomllib.loads(snippet)
        path = tmp_path / "callboard.toml"
        path.write_text(snippet, encoding="utf-8")
        assert load_settings(path).models["main"]


def test_every_linked_file_is_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / link).exists(), link
