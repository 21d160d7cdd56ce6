from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.router.retrieval.calibration import Calibration, Trial, border_by, calibrated
from callboard.router.retrieval.scoring import USUAL_BORDER, probabilities
from callboard.search.encoder import Vectors

N = 5
"""Agents in simulated trials."""


def simulated(count: int, *, sharpness: float = 1.0, seed: int = 0) -> list[Trial]:
    """Return trials whose right agent is drawn by its probability; scores are `sharpness` times."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        scores = np.sort(rng.normal(0, 2, N))[::-1].astype(np.float32)
        right = int(np.searchsorted(np.cumsum(probabilities(scores))[:-1], rng.random()))
        names = tuple("abcde")
        found.append(
            Trial(names[right], f"q{number}", names, scores * sharpness, float(rng.normal(1, 0.3)))
        )
    return found


def held_out(*values: float) -> Calibration:
    return Calibration(held_out=np.array(sorted(values), np.float32))


NOWHERE = np.zeros(0, np.float32)


# Coverage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_the_promised_coverage_is_kept_for_queries_like_the_examples(coverage: float) -> None:
    kept = []
    for seed in range(20):
        calibration = calibrated(simulated(200, sharpness=3, seed=seed), NOWHERE)
        least = calibration.least(coverage)
        assert least is not None
        for trial in simulated(200, sharpness=3, seed=1000 + seed):
            assert trial.right is not None
            share = probabilities(trial.relevance, calibration.temperature)[trial.right]
            kept.append(share >= least)
    assert coverage - 0.01 <= np.mean(kept) <= coverage + 0.02


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_at_least_the_promised_share_of_held_out_examples_is_called(
    values: list[float], coverage: float
) -> None:
    least = held_out(*values).least(coverage)
    if least is not None:
        assert np.mean(np.array(values, np.float32) >= least) >= coverage - 1e-9


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60), st.data())
def test_more_coverage_never_calls_fewer(values: list[float], data: st.DataObject) -> None:
    low = data.draw(st.floats(0.01, 0.98))
    high = data.draw(st.floats(low, 0.99))
    calibration = held_out(*values)
    easy, strict = calibration.least(low), calibration.least(high)
    assert strict is None or (easy is not None and strict <= easy)


def test_too_few_examples_promise_nothing() -> None:
    assert Calibration().least(0.5) is None
    assert held_out(*[0.9] * 8).least(0.9) is None
    assert held_out(*[0.9] * 10).least(0.9) == pytest.approx(0.9)


def test_what_was_not_even_compared_can_not_be_promised() -> None:
    trials = simulated(60)
    strangers = [Trial("z", one.query, one.names, one.relevance, one.margin) for one in trials]
    calibration = calibrated([*trials, *strangers], NOWHERE)
    assert calibration.held_out[:60].tolist() == [0] * 60
    assert calibration.least(0.9) is None
    assert calibration.least(0.4) is not None


# Temperature -------------------------------------------------------------------------------------


def test_overconfident_scores_are_flattened_and_timid_ones_sharpened() -> None:
    honest, bold, timid = (
        calibrated(simulated(400, sharpness=one), NOWHERE).temperature for one in (1, 2.5, 0.6)
    )
    assert honest == pytest.approx(1, abs=0.2)
    assert bold > 1.8
    assert timid < 0.8


def test_a_few_examples_move_the_temperature_little() -> None:
    few = calibrated(simulated(5, sharpness=2.5), NOWHERE).temperature
    many = calibrated(simulated(400, sharpness=2.5), NOWHERE).temperature
    assert 0.8 < few < many


# The border of what is in scope ------------------------------------------------------------------


def test_the_border_separates_what_is_inside_from_what_is_outside() -> None:
    trials = simulated(300)
    outside = np.random.default_rng(1).normal(-1, 0.3, 300).astype(np.float32)
    border = calibrated(trials, outside).border
    assert np.mean([trial.margin >= border for trial in trials]) > 0.97
    assert np.mean(outside < border) > 0.97


def test_without_examples_everyday_queries_alone_set_the_border() -> None:
    outside = np.linspace(-1, 0, 101).astype(np.float32)
    calibration = calibrated([], outside)
    assert calibration.border == border_by(outside) == pytest.approx(-0.1, abs=0.01)
    assert calibration.temperature == 1
    assert calibration.least(0.8) is None


def test_without_anything_the_usual_border_holds() -> None:
    assert calibrated([], NOWHERE).border == Calibration().border == USUAL_BORDER
    assert calibrated(simulated(3), NOWHERE).border == USUAL_BORDER


def margins(*values: float) -> Vectors:
    return np.array(values, np.float32)


def test_a_few_examples_move_the_border_little() -> None:
    outside = margins(*np.linspace(-1, 0, 101))
    few, many = (calibrated(simulated(count), outside).border for count in (2, 200))
    usual = border_by(outside)
    assert abs(few - usual) < abs(many - usual)
