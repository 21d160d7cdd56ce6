from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.errors import InvalidInput
from callboard.search.dense import DenseIndex
from callboard.search.hits import Hit

DIM = 4
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove"]), st.lists(st.sampled_from("abcdefgh"), max_size=5)
    ),
    max_size=12,
)


@settings(deadline=None, database=None, derandomize=True)
@given(changes=CHANGES, seed=st.integers(0, 2**32 - 1), k=st.integers(0, 10))
def test_it_finds_what_numpy_finds_after_any_changes(
    changes: list[tuple[str, list[str]]], seed: int, k: int
) -> None:
    random = np.random.default_rng(seed)
    index, kept = DenseIndex(DIM), {}
    for change, ids in changes:
        if change == "add":
            vectors = random.normal(size=(len(ids), DIM)).astype(np.float32)
            index.add(ids, vectors)
            kept |= dict(zip(ids, vectors, strict=True))
        else:
            index.remove(ids)
            for id_ in ids:
                kept.pop(id_, None)
    assert len(index) == len(kept)
    queries = random.normal(size=(3, DIM)).astype(np.float32)
    for query, hits in zip(queries, index.search(queries, k), strict=True):
        wanted = {id_: float(vector @ query) for id_, vector in kept.items()}
        assert index.scores(query) == pytest.approx(wanted, abs=1e-5)
        best = sorted(wanted, key=lambda id_: -wanted[id_])[:k]
        assert [hit.id for hit in hits] == best
        assert [hit.score for hit in hits] == pytest.approx([wanted[id_] for id_ in best], abs=1e-5)


def test_the_same_id_again_replaces_the_vector() -> None:
    index = DenseIndex(2)
    index.add(["a", "b"], np.eye(2, dtype=np.float32))
    index.add(["a"], np.array([[0, 2]], dtype=np.float32))
    assert index.search(np.array([[0, 1]], dtype=np.float32), 5) == [[Hit("a", 2.0), Hit("b", 1.0)]]


def test_an_empty_index_finds_nothing() -> None:
    index = DenseIndex(2)
    assert index.search(np.ones((2, 2), dtype=np.float32), 3) == [[], []]
    assert index.scores(np.ones(2, dtype=np.float32)) == {}


@pytest.mark.parametrize(
    "vectors", [np.ones((1, 3)), np.ones((2, 2)), np.ones(2), np.array([[np.nan, 1]])]
)
def test_vectors_that_do_not_fit_change_nothing(vectors: np.ndarray) -> None:
    index = DenseIndex(2)
    index.add(["a"], np.ones((1, 2), dtype=np.float32))
    with pytest.raises(InvalidInput):
        index.add(["a"], vectors)
    assert index.scores(np.ones(2, dtype=np.float32)) == {"a": 2.0}
