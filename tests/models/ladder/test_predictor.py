from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from callboard.errors import ConfigurationError
from callboard.models.ladder import Predictor
from callboard.models.ladder.features import CHEAP, Draft
from callboard.models.learned import save_learned

RUNGS = ("small", "main")
CARD = {
    "rungs": list(RUNGS),
    "encoder": "words",
    "dim": 2,
    "tau": 0.1,
    "margins": [0.05],
    "costs_usd": [0.001, 0.003],
}
QUERY = np.array([1, 0], np.float32)


def predictor(*, draft: bool = False, **card: Any) -> Predictor:
    """One that expects 0.5 of the first direction and 0.25 anyway, and 0.1 of a refusal."""
    tensors = {"query": np.array([[0.5, 0, 0.25]], np.float32)}
    if draft:
        tensors["draft"] = np.zeros((1, 4 + CHEAP), np.float32)
        tensors["draft"][0, 4 + 1] = 0.1
    return Predictor(tensors, {**CARD, **card})


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    predictor(draft=True).save(tmp_path / "p.safetensors")
    read = Predictor.load(tmp_path / "p.safetensors", rungs=RUNGS, encoder="words")
    assert read.before(QUERY) == (0.75,)
    refusal = Draft(text="I can't.", refuses=True)
    assert read.after(0, QUERY, QUERY, refusal) == pytest.approx(0.1)
    assert (read.tau, read.margins, read.reads_drafts) == (0.1, (0.05,), True)


def test_tau_follows_from_prices_and_what_a_point_is_worth() -> None:
    assert predictor().worth(Decimal("0.02")) == pytest.approx((0.1,))
    assert predictor(costs_usd=None).worth(Decimal("0.02")) is None


@pytest.mark.parametrize(
    ("rungs", "encoder", "message"),
    [
        (
            ("main", "small"),
            "words",
            r"for the rungs \('small', 'main'\).*'callboard train ladder'",
        ),
        (RUNGS, "minilm", "for the encoder 'words', and those of the settings are 'minilm'"),
    ],
)
def test_one_that_was_trained_for_something_else_is_refused(
    tmp_path: Path, rungs: tuple[str, ...], encoder: str, message: str
) -> None:
    predictor().save(tmp_path / "p.safetensors")
    with pytest.raises(ConfigurationError, match=message):
        Predictor.load(tmp_path / "p.safetensors", rungs=rungs, encoder=encoder)


def test_bad_files_are_errors_for_people(tmp_path: Path) -> None:
    def load(name: str) -> None:
        Predictor.load(tmp_path / name, rungs=RUNGS)

    with pytest.raises(ConfigurationError, match=r"There is no predictor .*train ladder"):
        load("missing.safetensors")
    (tmp_path / "noise").write_bytes(b"pickle")
    with pytest.raises(ConfigurationError, match="damaged, or no predictor"):
        load("noise")
    save_learned(tmp_path / "other", {"query": np.zeros((1, 3))}, {**CARD, "kind": "budget-ppo"})
    with pytest.raises(ConfigurationError, match="of kind 'budget-ppo'"):
        load("other")
    for tensors, card in (
        ({"query": np.zeros((1, 9))}, CARD),
        ({"query": np.zeros((1, 3)), "more": np.zeros(1)}, CARD),
        ({"query": np.zeros((1, 3))}, {"rungs": ["small", "main"]}),
    ):
        save_learned(tmp_path / "cut", tensors, {**card, "kind": "ladder-ridge"})
        with pytest.raises(ConfigurationError, match="is damaged"):
            load("cut")
