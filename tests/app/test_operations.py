"""`callboard db` and `callboard users`: backups, moving, pruning, exports and forgetting."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from callboard.app.cli import app
from callboard.store.engine import Store
from callboard.store.runs import RunEnd
from callboard.values import Scope


def call(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False, **options)


def as_json(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., None]:
    """Return a function that leaves a run in the database of the folder."""

    def ask(run_id: str, user: str = "local") -> None:
        store = Store.open(f"sqlite:///{tmp_path}/callboard.db")
        claim = store.runs.create(
            Scope(user=user), run_id, f"Why {run_id}?", options={}, owner="me", lease_s=30
        )
        store.runs.record(claim, end=RunEnd(status="done", answer="Because."))
        store.close()

    return ask


def test_a_board_moves_to_postgresql(
    tmp_path: Path, ask: Callable[..., None], postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("r1")
    saved = as_json(call("db", "backup", "board.zip", "--json"))
    assert saved["rows"]["runs"] == 1
    monkeypatch.setenv("CALLBOARD_DATABASE_URL", postgres.new_database())
    restored = as_json(call("db", "restore", "board.zip", "--json"))
    assert restored == {**saved, "ended_runs": 0}
    (run,) = as_json(call("runs", "list", "--json"))["runs"]
    assert (run["id"], run["answer"]) == ("r1", "Because.")


def test_a_backup_overwrites_nothing_unless_told_to(tmp_path: Path, ask: Any) -> None:
    ask("r1")
    (tmp_path / "mine.zip").write_text("mine", encoding="utf-8")
    result = call("db", "backup", "mine.zip")
    assert result.exit_code == 1
    assert "--force" in result.stderr
    assert (tmp_path / "mine.zip").read_text(encoding="utf-8") == "mine"
    assert "rows of" in call("db", "backup", "mine.zip", "--force").stderr


def test_what_is_there_is_replaced_only_when_told_to_and_asked(ask: Any) -> None:
    ask("r1")
    call("db", "backup", "board.zip")
    ask("r2")
    refused = call("db", "restore", "board.zip")
    assert refused.exit_code == 1
    assert "--replace" in refused.stderr
    assert call("db", "restore", "board.zip", "--replace", input="n\n").exit_code == 1
    assert len(as_json(call("runs", "list", "--json"))["runs"]) == 2
    assert call("db", "restore", "board.zip", "--replace", "--yes").exit_code == 0
    assert len(as_json(call("runs", "list", "--json"))["runs"]) == 1


def test_there_is_nothing_to_save_or_to_restore(tmp_path: Path) -> None:
    assert "does not exist" in call("db", "backup", "board.zip").stderr
    assert "There is no backup" in call("db", "restore", "board.zip").stderr
    assert list(tmp_path.glob("*.zip")) == []


def test_pruning_tells_first_and_deletes_then(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("r1")
    assert "kept for ever" in call("db", "prune").stderr
    monkeypatch.setenv("CALLBOARD_RETENTION__RUNS_DAYS", "30")
    told = as_json(call("db", "prune", "--dry-run", "--json"))
    assert told == {"dry_run": True, "rows": {"runs": 0, "session_titles": 0}}
    assert as_json(call("db", "prune", "--vacuum", "--json"))["rows"]["runs"] == 0
    assert len(as_json(call("runs", "list", "--json"))["runs"]) == 1


def test_a_user_is_handed_over_and_forgotten(ask: Any) -> None:
    ask("r1", user="ann")
    ask("r2", user="bob")
    told = as_json(call("users", "export", "ann"))
    assert [row["query"] for row in told["tables"]["runs"]] == ["Why r1?"]
    assert call("users", "forget", "ann", input="n\n").exit_code == 1
    gone = as_json(call("users", "forget", "ann", "--yes", "--json"))
    assert gone == {
        "tenant": "local",
        "user": "ann",
        "deleted": {"runs": 1, "summaries": 1},
        "anonymised": {},
    }
    assert as_json(call("users", "export", "ann"))["tables"] == {}
    assert len(as_json(call("runs", "list", "--user", "bob", "--json"))["runs"]) == 1
    assert "Nothing was kept of ann" in call("users", "forget", "ann", "--yes").stderr
    again = call("users", "forget", "*", "--yes")
    assert (again.exit_code, "is no user's" in again.stderr) == (1, True)
