"""`callboard bench routing` on a tiny data set; its figures are counted again."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from callboard import ModelUnavailable, ScriptedModel
from callboard.app.cli import app
from callboard.benchmarks.metrics import wilson
from callboard.benchmarks.routing import Setup, choose_least, mean_set_size, measure
from callboard.benchmarks.routing_report import Routed
from callboard.benchmarks.sets import SETS, Labelled, load_set
from callboard.router.retrieval.scoring import GUARD_THRESHOLD
from callboard.values import Candidate, Decision, Part

MODELS = """
[models.able]
model = "openai/scripted"
price = { input_per_million = 1, output_per_million = 2 }
retries = 0
"""


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["bench", "routing", *arguments], catch_exceptions=False)


def bench_json(*arguments: str) -> Any:
    result = bench(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def decision(*scores: float, agents: tuple[str, ...] = ("a",), **fields: Any) -> Decision:
    named = zip("abcdef", scores, strict=False)
    fields.setdefault("method", "retrieval")
    return Decision(
        agents=agents,
        reason="",
        confidence=1.0,
        in_scope=True,
        candidates=tuple(
            Candidate(agent=name, score=score, chosen=name in agents, reason="")
            for name, score in named
        ),
        **fields,
    )


def routed(decided: Decision, *labels: str) -> Routed:
    asked = Labelled(query="q", labels=frozenset(labels))
    return Routed(asked=asked, decision=decided, latency_s=0.001)


def test_the_figures_are_those_of_the_decisions(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    found = bench_json("--data", str(data), "--set", "clinc150", "--details", str(file))
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert (found["set"], found["shots"], found["policy"]) == ("clinc150", 0, "retrieval")
    assert (found["agents"], found["queries"], found["oos_queries"]) == (3, 9, 3)
    assert len(lines) == 9
    hits = sum(line["agents"] != [] and line["labels"][0] in line["agents"] for line in lines)
    assert found["label_in_set"] == round(100 * hits / 9, 2)
    assert found["label_in_set_ci"] == [round(100 * bound, 2) for bound in wilson(hits, 9) or ()]
    best = sum(line["ranked"][0] == line["labels"][0] for line in lines)
    assert found["at_1"] == round(100 * best / 9, 2)
    assert found["at_1"] >= 66
    sizes = [len(line["agents"]) for line in lines]
    assert found["mean_set_size"] == round(sum(sizes) / 9, 4)
    # Validation and test queries of the tiny set are the same.
    assert found["valid_mean_set_size"] == found["mean_set_size"] <= 1.37
    precise = sum(2 / (1 + len(line["agents"])) for line in lines if line["label_in_set"])
    assert found["set_f1"] == round(100 * precise / 9, 2)
    kept = sum(line["label_in_set"] and line["guard_score"] >= GUARD_THRESHOLD for line in lines)
    assert found["guarded_label_in_set"] == round(100 * kept / 9, 2)
    assert found["gqr_score"] == pytest.approx(
        2 * kept / 9 * found["oos_recall"] / (kept / 9 + found["oos_recall"] / 100), abs=0.01
    )
    assert found["oos_auroc"] >= 66
    assert found["complete_at_5"] == 100
    assert found["p50_ms"] <= found["p95_ms"]
    assert (found["llm_calls"], found["cost_usd"], found["reasoned_share"]) == (0, 0, 0)
    assert found["two_label"] is None
    assert found["model"] is None
    assert found["date"].endswith("+00:00")
    assert "Python" in found["machine"]


def test_what_a_set_does_not_have_is_null_and_not_0(data: Path) -> None:
    found = bench_json("--data", str(data), "--set", "hwu64", "--limit", "4")
    assert (found["queries"], found["valid_queries"], found["limit"]) == (4, 4, 4)
    for name in ("oos_auroc", "oos_auroc_ci", "oos_recall", "oos_recall_ci", "gqr_score"):
        assert found[name] is None, name
    assert found["coverage"] is None


def test_examples_help(data: Path) -> None:
    found = bench_json("--data", str(data), "--set", "hwu64", "--shots", "5")
    assert found["shots"] == 5
    assert found["at_1"] == 100  # the tiny set tests on what it trains on


def test_turns_with_two_labels_are_held_against_the_two_most_probable(data: Path) -> None:
    two = bench_json("--data", str(data), "--set", "sgd")["two_label"]
    assert two["queries"] == 1
    assert two["top_2_f1"] == 100  # there are only two agents
    assert two["complete_at_5"] == 100


def test_the_report_is_drawn_for_people(data: Path) -> None:
    result = bench("--data", str(data), "--set", "sgd")
    assert result.exit_code == 0
    assert "label in set" in result.stdout
    assert "two label set f1" in result.stdout
    assert " ci" not in result.stdout


def test_what_is_wrong_is_one_line(data: Path, tmp_path: Path) -> None:
    missing = bench("--data", str(tmp_path), "--set", "hwu64")
    assert missing.exit_code == 1
    assert str(tmp_path) in missing.stderr
    assert bench("--data", str(data), "--set", "hwu46").exit_code == 1
    no_model = bench("--data", str(data), "--set", "hwu64", "--model", "nowhere")
    assert no_model.exit_code == 1
    assert "nowhere" in no_model.stderr


def test_the_help_names_every_set() -> None:
    text = " ".join(bench("--help").stdout.split()).replace("- ", "-")
    written = text.replace("sgdx_v1 to sgdx_v5", " ".join(n for n in SETS if "sgdx" in n))
    assert not [name for name in SETS if name not in written]


def test_a_model_that_is_asked_is_counted_and_paid(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "models.toml"
    config.write_text(MODELS, encoding="utf-8")
    model = ScriptedModel(lambda request: '{"reason": "So.", "agents": ["alarm_set"]}')
    setup = Setup(
        policy="reasoning", model="able", parallel=4, config=config, models={"able": model}
    )
    measured = measure(load_set(data, "hwu64"), setup)
    found = measured.figures
    assert found["model"] == "able"
    # Test and validation queries are the same here, and two that warmed up are remembered.
    assert found["llm_calls"] == 7
    assert found["reasoned_share"] == 100
    assert Decimal(str(found["cost_usd"])) == 7 * (10 + 2 * 5) / Decimal(1_000_000)
    for one in measured.test:
        heard = [name.agent for name in one.decision.candidates if "model chose" in name.reason]
        assert heard == ["alarm_set"]


def test_a_model_that_is_down_is_seen_and_costs_nobody_knows_what(
    data: Path, tmp_path: Path
) -> None:
    config = tmp_path / "models.toml"
    config.write_text(MODELS, encoding="utf-8")

    def down(request: object) -> str:
        raise ModelUnavailable("down")

    setup = Setup(
        policy="reasoning", model="able", config=config, models={"able": ScriptedModel(down)}
    )
    found = measure(load_set(data, "hwu64"), setup).figures
    assert found["fallback_share"] == 100
    assert found["reasoned_share"] == 0
    assert found["cost_usd"] is None


def test_the_settings_of_the_user_do_not_change_the_router(data: Path, tmp_path: Path) -> None:
    plain = bench_json("--data", str(data), "--set", "hwu64")
    (tmp_path / "callboard.toml").write_text(
        "[router]\nmin_probability = 0.2\nmax_agents = 1\nguard_threshold = 0.9\n", encoding="utf-8"
    )
    found = bench_json("--data", str(data), "--set", "hwu64")
    for name in ("min_probability", "mean_set_size", "label_in_set"):
        assert found[name] == plain[name]


def test_the_least_probability_is_the_smallest_whose_sets_are_small_enough() -> None:
    decisions = [decision(0.6, 0.3, 0.1), decision(0.5, 0.4, 0.1), decision(0.8, 0.1, 0.1)]
    least = choose_least(decisions, most=3, size=1.37)
    assert least == 0.4  # from 0.3 on, two of the three sets hold two agents
    assert mean_set_size(decisions, least, 3) == pytest.approx(4 / 3)
    assert mean_set_size(decisions, 0.3, 3) == pytest.approx(5 / 3)
    assert choose_least(decisions, most=3, size=1.0) == 0.5
    assert choose_least(decisions, most=3, size=3.0) == 0.1
    assert choose_least(decisions, most=1, size=1.0) == 0.1


def test_a_query_of_several_wishes_counts_its_agents_whatever_the_least() -> None:
    parts = (Part(text="x", agents=("a",)), Part(text="y", agents=("b",)))
    several = decision(0.9, 0.9, agents=("a", "b"), parts=parts)
    single = [decision(0.6, 0.3, 0.1), decision(0.5, 0.4, 0.1)]
    assert choose_least([several, *single], most=3, size=1.37) == 0.5
    assert 0.5 < choose_least([several, *single], most=3, size=1.0) < 1


def test_retrieval_ranks_by_probability_and_a_model_by_its_word() -> None:
    by_parts = routed(decision(0.2, 0.7, agents=("a", "b")), "b")
    assert by_parts.ranked == ("b", "a")
    assert by_parts.at_1
    judged = routed(decision(0.2, 0.7, 0.1, agents=("c",), method="reasoning"), "c")
    assert judged.ranked == ("c", "b", "a")
    assert judged.at_1
