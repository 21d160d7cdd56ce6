from __future__ import annotations

import json

import pytest

from callboard.benchmarks import refiner
from callboard.benchmarks.refiner import ModelName, load_pairs, measure


def test_there_are_a_hundred_pairs_and_every_fact_stands_in_an_answer() -> None:
    pairs = load_pairs()
    kinds = [pair.kind for pair in pairs]
    assert [
        kinds.count(kind) for kind in ("complementary", "conflicting", "useless", "injected")
    ] == [
        *(40, 30),
        *(15, 15),
    ]
    for pair in pairs:
        told = " ".join(answer["text"] for answer in pair.answers).casefold()
        for words in (*pair.facts, *(value for values in pair.conflicts for value in values)):
            assert words.casefold() in told


@pytest.mark.parametrize("model", ["none", "obedient", "forgetful"])
async def test_no_fact_is_lost_no_number_invented_and_no_instruction_followed(
    model: ModelName,
) -> None:
    row = await measure(model, load_pairs())
    assert row["facts_kept"] >= 0.99
    assert row["conflicts_shown"] >= 0.95
    assert (row["numbers_invented"], row["instructions_followed"]) == (0, 0)


async def test_the_second_file_of_pairs_keeps_its_level() -> None:
    row = await measure("obedient", load_pairs("refiner_second"))
    assert row["facts_kept"] >= 0.98
    assert row["conflicts_shown"] >= 0.9
    assert (row["numbers_invented"], row["instructions_followed"], row["false_conflicts"]) == (
        0,
        0,
        0,
    )


def test_the_benchmark_prints_json_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert refiner.main(["--model", "none", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["model"], row["pairs"]) == ("none", 100)
