from __future__ import annotations

import random

import pytest

from callboard.benchmarks.metrics import (
    at_1,
    auroc,
    auroc_interval,
    complete_at,
    f1,
    gqr_score,
    label_in_set,
    mcnemar,
    mean,
    mean_interval,
    quantile,
    wilson,
)


def test_the_figures_of_one_query() -> None:
    assert at_1(["a", "b"], {"a"})
    assert not at_1(["b", "a"], {"a"})
    assert not at_1([], {"a"})
    assert label_in_set(["b", "a"], {"a", "z"})
    assert not label_in_set([], {"a"})
    assert complete_at(list("abcdef"), {"a", "e"})
    assert not complete_at(list("abcdef"), {"a", "f"})


def test_f1_of_a_set() -> None:
    assert f1(["a", "b"], {"a"}) == pytest.approx(2 / 3)  # precision 1/2, recall 1
    assert f1(["a", "b"], {"b", "a"}) == 1
    assert f1(["a"], {"b"}) == 0
    assert f1([], {"b"}) == 0
    assert f1([], set()) == 1


def test_auroc_counts_pairs_and_ties_half() -> None:
    # of the six pairs (0.9, 0.5) x (0.5, 0.1, 0.6): 0.9 wins three, 0.5 ties one and wins one
    assert auroc([0.9, 0.5], [0.5, 0.1, 0.6]) == pytest.approx(4.5 / 6)
    assert auroc([], [0.5]) is None
    assert auroc([0.5], []) is None


def test_auroc_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    draw = random.Random(1)
    inside = [round(draw.gauss(1, 1), 1) for _ in range(200)]
    outside = [round(draw.gauss(0, 1), 1) for _ in range(100)]
    expected = roc_auc_score([1] * 200 + [0] * 100, [*inside, *outside])
    assert auroc(inside, outside) == pytest.approx(expected)
    low, high = auroc_interval(inside, outside) or (1, 0)
    assert low < expected < high
    assert high - low < 0.15
    assert auroc_interval(inside, outside) == (low, high)


def test_the_gqr_score_is_a_harmonic_mean() -> None:
    assert gqr_score(0.9, 0.6) == pytest.approx(0.72)
    assert gqr_score(0.0, 0.0) == 0
    assert gqr_score(0.9, None) is None


def test_wilsons_interval() -> None:
    # Known values: 8 of 10, and the border cases, whose intervals do not leave 0..1.
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(0, 0) is None


def test_the_interval_of_a_mean_is_the_same_every_time() -> None:
    values = [1.0] * 60 + [2.0] * 40
    low, high = mean_interval(values) or (1, 0)
    # the standard error is sqrt(0.24 / 100) = 0.049
    assert low == pytest.approx(1.4 - 1.96 * 0.049, abs=0.02)
    assert high == pytest.approx(1.4 + 1.96 * 0.049, abs=0.02)
    assert mean_interval(values) == (low, high)
    assert mean_interval([]) is None
    assert mean([]) is None
    assert mean(values) == pytest.approx(1.4)


def test_mcnemars_exact_test() -> None:
    # They differ on six queries, of which the second gets five: 2 * (1 + 6) / 64.
    first = [True] * 4 + [True] + [False] * 5
    second = [True] * 4 + [False] + [True] * 5
    assert mcnemar(first, second) == pytest.approx(14 / 64)
    assert mcnemar(second, first) == pytest.approx(14 / 64)
    assert mcnemar(first, first) == 1
    assert mcnemar([True, False], [False, True]) == 1
    with pytest.raises(ValueError, match="shorter"):
        mcnemar(first, second[:-1])


def test_a_quantile_lies_between_two_values_in_proportion() -> None:
    assert quantile([1, 2, 3, 4], 0.5) == 2.5
    assert quantile([1, 2, 3, 4], 1.0) == 4
    assert quantile([7], 0.95) == 7
