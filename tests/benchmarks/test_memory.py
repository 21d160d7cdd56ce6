"""The memory benchmark, on conversations that are shipped and a handful of LoCoMo's form."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from callboard.app.cli import app
from callboard.benchmarks.answering import exact_match, found_share, token_f1
from callboard.benchmarks.memory import MemorySetup, measure_memory, open_desk
from callboard.benchmarks.memory_environment import memory_environment
from callboard.benchmarks.memory_size import measure as measure_size
from callboard.benchmarks.memory_speed import measure as measure_speed
from callboard.benchmarks.sets.conversations import load_conversations
from callboard.benchmarks.sets.diaries import diaries
from callboard.errors import ConfigurationError, InvalidInput, UnknownName
from callboard.models.chat import ChatReply, ChatRequest
from callboard.models.replies import KnownReplies
from callboard.models.scripted import ScriptedModel
from callboard.router.budget import load_any_policy
from callboard.values import MEMORY_MODULES, Usage

TURNS = [
    ("D1:1", "Caro", "I went to the harbour yesterday.", None),
    ("D1:2", "Mel", "Lovely! I painted a lighthouse.", "a painting of a lighthouse"),
    ("D2:1", "Caro", "My brother sails to Crete in June.", None),
]
ASKED = [
    ("When was Caro at the harbour?", "7 May 2023", 2, ["D1:1"]),
    ("What did Mel paint?", "a lighthouse", 4, ["D1:02"]),
    ("Where do Caro and her brother like to be?", "at sea; on boats", 3, ["D1:1; D2:1"]),
    ("What did nobody say?", None, 5, ["D2:1"]),
    ("What evidence is missing?", "none", 1, ["D9:9"]),
]


@pytest.fixture
def locomo(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "locomo"
    folder.mkdir(parents=True)

    def write(name: str, rows: list[dict[str, Any]]) -> None:
        lines = "\n".join(json.dumps(row) for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")

    write("conversations", [{"sample_id": "c0"}])
    write(
        "turns",
        [
            {
                "sample_id": "c0",
                "dia_id": id_,
                "session": int(id_[1]),
                "speaker": speaker,
                "text": text,
                "image_caption": caption,
                "date": "1:56 pm on 8 May, 2023",
            }
            for id_, speaker, text, caption in TURNS
        ],
    )
    write(
        "qa",
        [
            {"sample_id": "c0", "qid": f"q{n}", "question": q, "answer": a, "category": c,
             "evidence": e}
            for n, (q, a, c, e) in enumerate(ASKED)
        ],
    )  # fmt: skip
    return folder.parent


def no_replies(tmp_path: Path, **fields: Any) -> MemorySetup:
    return MemorySetup(replies=tmp_path / "replies.db", **fields)


def silent(what: str, done: int = 0, total: int = 0) -> None:
    """Tell nobody."""


def rows_of(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["method"]: row for row in found["rows"]}


# Sets --------------------------------------------------------------------------------------------


def test_locomo_is_read_without_its_fifth_category(locomo: Path) -> None:
    (found,) = load_conversations(locomo, "locomo")
    assert [turn.id for turn in found.turns] == ["D1:1", "D1:2", "D2:1"]
    assert found.turns[1].text.endswith("[shares a painting of a lighthouse]")
    assert found.turns[0].said_at.isoformat() == "2023-05-08T13:56:00+00:00"
    assert [(one.category, one.answer, one.evidence) for one in found.questions] == [
        ("temporal", "7 May 2023", ("D1:1",)),
        ("single-hop", "a lighthouse", ("D1:2",)),
        ("open-domain", "at sea", ("D1:1", "D2:1")),
        ("multi-hop", "none", ()),
    ]


def test_diaries_are_always_the_same_and_answer_their_questions() -> None:
    found = diaries()
    assert found == diaries()
    assert len({one.name for one in found}) == len(found) == 8
    for one in found:
        texts = {turn.id: turn.text for turn in one.turns}
        assert len({question.text for question in one.questions}) == len(one.questions) > 30
        for question in one.questions:
            said = " ".join(texts[turn] for turn in question.evidence)
            if question.category != "temporal":
                assert found_share(question.answer, said) == 1, question


def test_wrong_sets_and_numbers_are_refused(tmp_path: Path) -> None:
    setup = no_replies(tmp_path)
    with pytest.raises(UnknownName, match="did you mean 'diaries'"):
        measure_memory(None, "diary", [0], setup, silent)
    with pytest.raises(InvalidInput, match="--data"):
        measure_memory(None, "locomo", [0], setup, silent)
    with pytest.raises(InvalidInput, match="0 to 7"):
        measure_memory(None, "diaries", [8], setup, silent)
    with pytest.raises(ConfigurationError):
        measure_memory(tmp_path, "locomo", [0], setup, silent)


# Scores ------------------------------------------------------------------------------------------


def test_answers_are_scored_by_their_words() -> None:
    assert token_f1("The cats!", "a cat") == 1
    assert token_f1("dogs and cats", "cats") == pytest.approx(2 / 3)
    assert token_f1("no idea", "cats") == 0
    assert exact_match("The  Cat.", "cat")
    assert not exact_match("cats", "cat")
    assert found_share("7 May 2023", "[1] yesterday = 7 May 2023") == 1
    assert found_share("red and blue", "red") == 0.5


# Measuring ---------------------------------------------------------------------------------------


def test_methods_are_measured_on_the_same_questions(tmp_path: Path) -> None:
    setup = no_replies(tmp_path, limit=12, memo_tokens=200)
    found = rows_of(measure_memory(None, "diaries", [0], setup, silent))
    assert list(found) == ["none", "full", "naive", "low", "mid", "oracle"]
    assert {row["queries"] for row in found.values()} == {12}
    assert (found["none"]["evidence_recall"], found["full"]["evidence_recall"]) == (0, 100)
    best = max(found[method]["evidence_recall"] for method in ("low", "mid"))
    assert best > found["naive"]["evidence_recall"] + 10
    assert found["oracle"]["evidence_recall"] >= best
    for method in ("low", "mid"):
        row = found[method]
        assert row["memo_tokens"] <= 200
        assert (row["llm_calls"], row["cost_usd"], row["f1"]) == (0, 0, None)
        low, high = row["evidence_recall_interval"]
        assert low <= row["evidence_recall"] <= high
        for tiers in row["tiers"].values():
            assert tiers["filter"][method] == 100


def test_a_model_answers_from_the_memo_and_every_question_is_paid_once(tmp_path: Path) -> None:
    asked: list[ChatRequest] = []

    def answer(request: ChatRequest) -> str:
        asked.append(request)
        return '{"nonsense": 1}' if request.json_schema else "lighthouse"

    setup = no_replies(
        tmp_path,
        methods=("high",),
        answering="main",
        limit=3,
        models={"main": ScriptedModel(answer)},
    )
    (row,) = measure_memory(None, "diaries", [0], setup, silent)["rows"]
    assert row["llm_calls"] == len(MEMORY_MODULES)
    assert (row["f1"], row["exact"]) == (0, 0)
    for tiers in row["tiers"].values():
        assert tiers["filter"]["mid"] == 100  # what the model said was of no use
    before = len(asked)
    measure_memory(None, "diaries", [0], setup, silent)
    assert len(asked) == before


def test_the_command_prints_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALLBOARD_CACHE_DIR", str(tmp_path))
    base = ["bench", "memory", "--set", "diaries", "--conversations", "1", "--limit", "2"]
    result = CliRunner().invoke(app, [*base, "--methods", "low", "--json"])
    assert result.exit_code == 0, result.stderr
    (row,) = json.loads(result.stdout)["rows"]
    assert (row["method"], row["queries"]) == ("low", 2)
    drawn = CliRunner().invoke(app, [*base, "--methods", "none,low"]).stdout
    assert "evidence" in drawn
    assert "f1" not in drawn
    wrong = CliRunner().invoke(app, [*base, "--methods", "lwo"])
    assert (wrong.exit_code, "lwo" in wrong.stderr) == (2, True)


def test_models_without_a_price_cost_what_the_paper_charges(tmp_path: Path) -> None:
    config = tmp_path / "callboard.toml"
    config.write_text(
        '[models.small]\nmodel = "openai/a"\n[models.large]\nmodel = "openai/b"\n'
        "price = { input_per_million = 7, output_per_million = 8 }\n",
        encoding="utf-8",
    )
    models = {name: ScriptedModel(lambda request: "{}") for name in ("small", "large")}
    desk = open_desk(no_replies(tmp_path, config=config, models=models), tmp_path)
    assert desk.gateway.cost_usd("small", 1_000_000, 1_000_000) == Decimal("0.12")
    assert desk.gateway.cost_usd("large", 1_000_000, 1_000_000) == 15
    asyncio.run(desk.close())


# Training ----------------------------------------------------------------------------------------


def test_an_environment_gives_the_same_for_the_same_tiers(tmp_path: Path) -> None:
    setup = no_replies(tmp_path, limit=2, memo_tokens=64)
    with memory_environment(None, "diaries", [0], setup) as environment:
        assert len(environment) == 2
        assert environment.descriptions.shape == (len(MEMORY_MODULES), environment.dim)
        seen: list[str] = []
        first = environment.play(0, lambda state: seen.append(state.module.name) or "low")
        assert sorted(seen) == sorted(MEMORY_MODULES)
        assert environment.play(0, lambda state: "low") == first
        assert first.cost_usd == 0
        assert 0 <= first.reward <= 1


def test_what_costs_nobody_knows_is_not_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callboard.models.replies.KnownReplies.ask", useless(None))
    with (
        memory_environment(None, "diaries", [0], no_replies(tmp_path, limit=1)) as environment,
        pytest.raises(ConfigurationError, match="input_per_million"),
    ):
        environment.play(0, lambda state: "high")


@pytest.mark.parametrize("method", ["ppo", "bandit"])
def test_a_policy_is_trained_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALLBOARD_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("callboard.models.replies.KnownReplies.ask", useless(Decimal("0.001")))
    arguments = ["train", "budget", "--out", "made", "--set", "diaries", "--conversations", "0-1"]
    arguments += ["--limit", "2", "--epochs", "2", "--batch", "2", "--method", method, "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    found = {row["policy"]: row for row in json.loads(result.stdout)["rows"]}
    if method == "bandit":
        assert set(found) == {"bandit"}
        policy = load_any_policy(tmp_path / "made" / "bandit.safetensors")
    else:
        assert set(found) == {"learned at 0.1", "low", "mid", "high", "random"}
        assert (tmp_path / "made" / "frontier.png").is_file()
        policy = load_any_policy(tmp_path / "made" / "policy.safetensors")
    base = ["bench", "memory", "--set", "diaries", "--conversations", "0", "--limit", "1"]
    file = f"made/{'bandit' if method == 'bandit' else 'policy'}.safetensors"
    result = CliRunner().invoke(app, [*base, "--methods", "low", "--policy", file, "--json"])
    assert result.exit_code == 0, result.stderr
    methods = [row["method"] for row in json.loads(result.stdout)["rows"]]
    assert methods == ["low", "bandit" if method == "bandit" else "learned at 0.1", "oracle"]
    assert policy.wants_vectors


def useless(cost_usd: Decimal | None) -> Callable[..., Awaitable[ChatReply]]:
    """Return what stands for a model whose answers are of no use, at a cost."""

    async def ask(self: KnownReplies, model: str, request: ChatRequest, **_: Any) -> ChatReply:
        usage = Usage(input_tokens=9, output_tokens=1, cost_usd=cost_usd)
        reply = ChatReply(text="{}", model=model, usage=usage, latency_s=0.0)
        self.replies.append(reply)
        return reply

    return ask


# Speed -------------------------------------------------------------------------------------------


def test_a_stack_is_measured_beside_a_shelf(locomo: Path, postgres: Any) -> None:
    conversations = load_conversations(locomo, "locomo")
    (row,) = measure_size(conversations, postgres.new_database(), [60], 4, 200, silent)
    assert row["chunks"] == 60
    assert row["overlap_10"] > 90
    assert row["stack_evidence"] == row["shelf_evidence"] > 0
    assert row["stacked_per_s"] > 0
    assert all(row[f"{name}_p50_ms"] > 0 for name in ("stack", "shelf"))
    with pytest.raises(InvalidInput, match="pgvector"):
        measure_size(conversations, f"sqlite:///{locomo}/memory.db", [60], 4, 200, silent)


def test_speed_is_measured_at_more_chunks_than_were_said(locomo: Path) -> None:
    (conversation,) = load_conversations(locomo, "locomo")
    questions = [one.text for one in conversation.questions]
    (row,) = measure_speed(conversation.turns, conversation.turns, questions, [40], 200, silent)
    assert (row["chunks"], row["queries"]) == (40, 4)
    assert all(isinstance(row[f"{tier}_p50_ms"], float) for tier in ("low", "mid"))
    assert row["stored_per_s_2_at_a_time"] > 0
    assert row["embedded_per_s"] > 0
