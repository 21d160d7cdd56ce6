"""The figures of rankings, against values computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from callboard.search.relevance import (
    ndcg_at,
    ndcg_of,
    paired_interval,
    recall_at,
    reciprocal_rank,
)

GAINS = {3: 2.0, 5: 1.0}


def test_ndcg_is_the_discounted_gain_as_a_share_of_the_best() -> None:
    ideal = 2 + 1 / math.log2(3)
    assert ndcg_at([3, 5, 1], GAINS) == pytest.approx(1)
    assert ndcg_at([5, 3], GAINS) == pytest.approx((1 + 2 / math.log2(3)) / ideal)
    assert ndcg_at([1, 2, 3], GAINS, k=2) == 0
    assert ndcg_at([1, 2], {}) == 0


def test_recall_and_reciprocal_rank_count_what_is_relevant() -> None:
    assert recall_at([1, 5, 2], GAINS, k=3) == 0.5
    assert recall_at([1, 5, 2, 3], GAINS, k=3) == 0.5
    assert recall_at([1], {}) == 0
    assert reciprocal_rank([1, 5, 3], GAINS) == 0.5
    assert reciprocal_rank([1, 2], GAINS) == 0


def test_queries_are_ranked_by_their_cosines() -> None:
    documents = np.eye(4, dtype=np.float32)
    found = ndcg_of(documents[:2], documents, [{0: 1.0}, {0: 1.0}])
    assert found[0] == 1
    assert 0 < found[1] < 1


def test_an_interval_holds_the_mean_and_is_the_same_each_time() -> None:
    differences = np.random.default_rng(0).normal(1, 1, 200)
    low, high = paired_interval(differences)
    assert low < differences.mean() < high
    assert 0.2 < high - low < 0.4
    assert paired_interval(differences) == (low, high)
