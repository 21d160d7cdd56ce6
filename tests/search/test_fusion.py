from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.search.fusion import fuse, standardise

SCORES = st.lists(st.integers(-50, 50), min_size=1, max_size=12)


@settings(deadline=None, database=None, derandomize=True)
@given(scores=SCORES)
def test_standardised_scores_are_z_scores(scores: list[int]) -> None:
    found = standardise(np.array(scores, dtype=np.float32))
    mean, deviation = statistics.fmean(scores), statistics.pstdev(scores)
    wanted = [(score - mean) / deviation if deviation else 0.0 for score in scores]
    assert found.tolist() == pytest.approx(wanted, abs=1e-9)


@settings(deadline=None, database=None, derandomize=True)
@given(
    pairs=st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=12),
    factor=st.integers(1, 9),
    shift=st.integers(-9, 9),
)
def test_the_unit_of_a_score_does_not_matter(
    pairs: list[tuple[int, int]], factor: int, shift: int
) -> None:
    first, second = np.array(pairs, dtype=np.float64).T
    np.testing.assert_allclose(
        fuse([first * factor + shift, second]), fuse([first, second]), atol=1e-9
    )


def test_scores_are_added_with_their_weights() -> None:
    first, second = np.array([1.0, 2.0, 3.0]), np.array([5.0, 5.0, 2.0])
    wanted = 2 * standardise(first) + 0.5 * standardise(second)
    np.testing.assert_allclose(fuse([first, second], [2, 0.5]), wanted)


def test_scores_that_are_all_equal_say_nothing() -> None:
    assert standardise(np.full(3, 0.1, dtype=np.float32)).tolist() == [0, 0, 0]
    assert fuse([np.empty(0)]).tolist() == []


def test_a_weight_is_needed_for_every_score() -> None:
    with pytest.raises(ValueError, match="zip"):
        fuse([np.ones(2), np.ones(2)], [1.0])
