"""`callboard train expert`: made of a folder, measured on held-out queries, added if better."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from retrieval_set import write_set
from typer.testing import CliRunner, Result

from callboard.app.cli import app


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments], catch_exceptions=False)


def train(folder: Path, *arguments: str) -> Any:
    result = call("train", "expert", "--data", str(folder), "--name", "mending", *arguments)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout) if "--json" in arguments else result.stderr


def test_an_expert_that_beats_the_base_is_written_and_added(tmp_path: Path) -> None:
    told = train(write_set(tmp_path / "things"), "--add", "--json")
    assert told["score"]["gain"] > 0.1
    assert told["score"]["low"] > 0
    assert (told["name"], told["data"], told["added"]) == ("mending", "things", True)
    assert Path(told["file"]).is_file()
    (listed,) = json.loads(call("experts", "list", "--json").stdout)["experts"]
    assert listed["score"] == told["score"]
    (noted,) = json.loads(call("keys", "audit", "--json").stdout)["changes"]
    assert (noted["action"], noted["object"]) == ("add expert", "mending")
    chosen = call("experts", "choose", "I have a question about my harp", "--json")
    assert json.loads(chosen.stdout)["memory"]["expert"] == "mending"


def test_an_expert_that_does_not_beat_the_base_is_not_added(tmp_path: Path) -> None:
    said = train(write_set(tmp_path / "things", hard=False), "--add", "--out", "bad.safetensors")
    assert "does not beat the base and can't be added" in " ".join(said.split())
    assert json.loads(call("experts", "list", "--json").stdout)["experts"] == []
    refused = call("experts", "add", "bad.safetensors")
    assert refused.exit_code != 0
    assert "does not beat the base on queries that were held out" in " ".join(
        refused.stderr.split()
    )


def test_an_expert_inside_the_transformer_is_measured_on_queries_that_it_never_saw(
    tmp_path: Path,
) -> None:
    told = train(write_set(tmp_path / "things"), "--kind", "lora", "--epochs", "2", "--json")
    assert (told["kind"], told["score"]["queries"]) == ("lora", 5)
    assert told["settings"]["rank"] == 8
    result = call("experts", "add", told["file"])
    assert (result.exit_code == 0) == (told["score"]["gain"] > 0), result.stderr


def test_documents_alone_give_queries_of_their_own(tmp_path: Path) -> None:
    told = train(write_set(tmp_path / "things", labelled=False), "--queries", "30", "--json")
    assert told["synthetic"]
    assert told["score"]["queries"] == told["pairs"] == 30


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("qrels.jsonl", '{"query": "0", "doc": "nobody", "score": 1}\n', "is not in the form"),
        ("queries.jsonl", "{oops\n", "can't be read"),
        ("qrels.jsonl", '{"query": "0", "doc": "m0", "score": 1}\n', "at least 20"),
    ],
)
def test_what_is_wrong_with_the_folder_is_said_in_words(
    tmp_path: Path, file: str, text: str, said: str
) -> None:
    folder = write_set(tmp_path / "things")
    (folder / file).write_text(text, encoding="utf-8")
    result = call("train", "expert", "--data", str(folder), "--name", "mending")
    assert result.exit_code != 0
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
