"""`callboard bench retrieval` on two small sets: rows of all methods, and what they tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from retrieval_set import THINGS, write_set
from typer.testing import CliRunner

from callboard.app.cli import app

METHODS = {
    *("bm25", "base", "fusion", "multi_task", "expert:hard", "expert:easy"),
    *("routed:mean", "routed:nearest", "routed:gate"),
    *("unseen:mean", "unseen:nearest", "unseen:gate", "oracle:set", "oracle:query"),
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("sets")
    write_set(folder / "hard")
    write_set(folder / "easy", hard=False)
    arguments = ["bench", "retrieval", "--data", str(folder), "--sets", "hard,easy", "--json"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)["rows"]
    return {(row["set"], row["method"]): row for row in found}


def test_there_is_a_row_of_each_method_for_each_set_and_for_all_together(rows) -> None:
    sets = {"hard", "easy", "mean", "pooled:hard", "pooled:easy", "pooled"}
    assert set(rows) == {(name, method) for name in sets for method in METHODS}
    for row in rows.values():
        assert row["low"] <= row["ndcg_10"] <= row["high"]
        assert row["gain_low"] <= row["gain"] <= row["gain_high"]
        assert row["queries"] in (len(THINGS), 2 * len(THINGS))
        assert row["p50_ms"] > 0


def test_an_expert_helps_where_there_is_something_to_learn(rows) -> None:
    assert rows["hard", "expert:hard"]["gain"] > 10
    assert rows["hard", "oracle:set"]["gain"] >= rows["hard", "routed:gate"]["gain"] - 1e-9
    for name in ("hard", "easy"):
        base = rows[name, "base"]
        assert base["gain"] == 0
        assert rows[name, "oracle:query"]["ndcg_10"] >= rows[name, "oracle:set"]["ndcg_10"]
    means = [rows[name, "base"]["ndcg_10"] for name in ("hard", "easy")]
    assert rows["mean", "base"]["ndcg_10"] == pytest.approx(sum(means) / 2, abs=0.01)
