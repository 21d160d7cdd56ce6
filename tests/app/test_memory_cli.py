from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from callboard.app.cli import app


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str, **more: Any) -> Result:
    return CliRunner().invoke(app, ["memory", *arguments], **more)


def add(*arguments: str) -> str:
    return json.loads(call("add", *arguments, "--json").stdout)["added"][0]


def listed(*arguments: str) -> list[dict[str, Any]]:
    return json.loads(call("list", *arguments, "--json").stdout)["memory"]


def test_memory_is_added_found_changed_and_forgotten() -> None:
    id_ = add("My cat is called Miso.")
    assert "Miso" in call("list").stdout
    assert call("search", "What is my cat called?").stdout.startswith("0.")
    new = json.loads(call("edit", id_, "My cat is called Mochi.", "--json").stdout)["id"]
    assert [one["id"] for one in listed()] == [new]
    history = call("history", id_).stdout
    assert history.index("Miso") < history.index("Mochi")
    assert "replaced" in history
    shown = call("show", id_).stdout
    assert "superseded by" in shown
    assert json.loads(call("show", id_, "--json").stdout)["superseded_by"] == new
    assert "Forgotten: 1" in call("forget", new).stderr
    assert "There is none." in call("list").stderr


def test_files_are_added_for_everyone_and_one_agent(place: Path) -> None:
    (place / "a.md").write_text("# A\n\nOne.\n\n# B\n\nTwo.\n", encoding="utf-8")
    (place / "b.html").write_text("<h1>C</h1><p>Three.</p>", encoding="utf-8")
    result = call("add", "--file", "a.md", "--file", "b.html", "--everyone")
    assert "Remembered 3 passages." in result.stderr
    assert {one["writer"] for one in listed("--everyone")} == {"a.md#A", "a.md#B", "b.html#C"}
    assert listed() == []
    add("Tabs.", "--agent", "coder", "--expires", "2999-01-01")
    assert "for coder alone" in call("list").stdout
    (one,) = listed("--agent", "coder")
    assert one["expires_at"].startswith(("2998-12-31", "2999-01-01"))


def test_everything_is_exported_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callboard.app.cli.memory.PAGE", 2)
    ids = [add(f"Note {n}.") for n in range(5)]
    exported = json.loads(call("export").stdout)["memory"]
    assert [one["id"] for one in exported] == ids[::-1]


def test_before_all_is_forgotten_it_is_asked() -> None:
    add("One.")
    add("Two.", "--session", "s1")
    refused = call("forget", "--all", input="n\n")
    assert refused.exit_code == 1
    assert "everything of user local" in refused.stderr
    assert len(listed()) == 2
    assert "Forgotten: 1" in call("forget", "--all", "--session", "s1", input="y\n").stderr
    assert "Forgotten: 1" in call("forget", "--all", "--yes").stderr


def test_wrong_calls_end_with_one_line() -> None:
    for arguments, status, said in (
        (("show", "nope"), 1, "nothing remembered as 'nope'"),
        (("edit", "nope", "x"), 1, "nothing remembered as 'nope'"),
        (("add",), 2, "Give a text, or files"),
        (("add", "x", "--file", __file__), 2, "Give a text, or files"),
        (("add", "  "), 1, "no text"),
        (("forget",), 2, "Name ids, or say --all"),
        (("forget", "x", "--all"), 2, "Name ids, or say --all"),
    ):
        result = call(*arguments)
        assert (result.exit_code, result.stdout) == (status, ""), arguments
        assert said in " ".join(result.stderr.replace("│", "").split()), arguments
