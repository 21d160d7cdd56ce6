from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from callboard.app.cli import app
from callboard.models.ladder import Predictor

KINDS = {"Add up the numbers": (0.0, 1.0), "Say hello to": (1.0, 1.0), "Guess the colour": (0, 0)}


def call(*arguments: str, **more: Any) -> Result:
    return CliRunner().invoke(app, arguments, **more)


def write(file: Path, names: tuple[str, str], count: int, **more: Any) -> None:
    draw = random.Random(5)
    rows = []
    for number in range(count):
        kind, scores = draw.choice(list(KINDS.items()))
        key = more.get("key", "query")
        others = dict.fromkeys(more.get("others", ()), 0.0)
        rows.append(
            {key: f"{kind} {number}", "scores": {**others, **dict(zip(names, scores, strict=True))}}
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def test_a_predictor_is_trained_and_serves_a_ladder(tmp_path: Path) -> None:
    write(tmp_path / "data" / "outcomes.jsonl", ("small", "main"), 90)
    write(tmp_path / "data" / "outcomes_test.jsonl", ("other", "main"), 9)
    arguments = ("train", "ladder", "--data", "data", "--out", "ladder.safetensors")
    result = call(*arguments, "--rungs", "small,main", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert {"always small", "always main", "oracle"} <= {row["method"] for row in told["rows"]}
    predictor = Predictor.load(tmp_path / "ladder.safetensors", rungs=("small", "main"))
    assert predictor.tau == told["tau"]
    assert (predictor.card["outcomes"], predictor.card["data"]) == (90, "data")
    assert "Written to ladder.safetensors" in call(*arguments, "--rungs", "small,main").stderr
    settings = tmp_path / "callboard.toml"
    ladder = '[models.careful]\nladder = ["small", "main"]\npredictor = "ladder.safetensors"\n'
    settings.write_text(f'[models.small]\nmodel = "openai/x"\n{ladder}')
    listed = json.loads(call("models", "list", "--json").stdout)["models"]
    (careful,) = [one for one in listed if one["name"] == "careful"]
    assert careful["state"] == "ok"
    assert "small, main" in careful["detail"]
    (tmp_path / "ladder.safetensors").unlink()
    listed = json.loads(call("models", "list", "--json").stdout)["models"]
    (careful,) = [one for one in listed if one["name"] == "careful"]
    assert careful["state"] == "bad"
    assert "There is no predictor" in careful["detail"]


@pytest.mark.parametrize(
    ("rungs", "message"),
    [("small", "two rungs or more"), ("small,large", "no score of 'large'")],
)
def test_rungs_that_do_not_fit_are_told(tmp_path: Path, rungs: str, message: str) -> None:
    write(tmp_path / "data" / "outcomes.jsonl", ("small", "main"), 60)
    result = call("train", "ladder", "--data", "data", "--out", "x", "--rungs", rungs)
    assert result.exit_code == 1
    assert message in result.stderr


def test_without_data_the_folder_is_named(tmp_path: Path) -> None:
    for arguments in (
        ("train", "ladder", "--data", "none", "--out", "x", "--rungs", "a,b"),
        ("bench", "ladder", "--data", "none"),
    ):
        result = call(*arguments)
        assert result.exit_code == 1
        assert "There are no outcomes in" in result.stderr


def test_the_benchmark_compares_methods_on_each_group(tmp_path: Path) -> None:
    from callboard.benchmarks.ladder import DEAREST, PARAMETERS

    small = "mistralai/Mistral-7B-v0.1"
    folder = tmp_path / "data" / "routerdc_model7"
    for name in ("sums_train", "sums_test", "mbpp"):
        count = 120 if name.endswith("train") else 40
        write(folder / f"{name}.jsonl", (small, DEAREST), count, key="question", others=PARAMETERS)
    arguments = ("bench", "ladder", "--data", "data", "--rungs", f"{small},{DEAREST}")
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert {row["questions_of"] for row in rows} == {
        *("all", "tasks trained on", "new tasks", "sums_test", "mbpp")
    }
    of_all = {row["method"]: row for row in rows if row["questions_of"] == "all"}
    assert of_all["always small"]["escalated"] == 0
    assert of_all["always large"]["cost"] == 100
    assert of_all["oracle"]["quality"] == of_all["always large"]["quality"]
    ours, chance = of_all["gain, 80% kept"], of_all["random, 80% kept"]
    assert ours["escalated"] == chance["escalated"]
    assert ours["quality"] > chance["quality"]
    assert ours["over_quality"] is not None
    assert "gain, 80% kept" in call(*arguments).stdout
    wrong = call("bench", "ladder", "--data", "data", "--rungs", "mistral,x")
    assert wrong.exit_code == 1
    assert "The set has no model 'mistral'" in wrong.stderr
