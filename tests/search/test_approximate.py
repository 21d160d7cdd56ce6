from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import sleep

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.errors import InvalidInput
from callboard.search.approximate import ApproximateIndex

DIM = 32
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "rebuild"]), st.lists(st.integers(-4, 4), max_size=6)
    ),
    max_size=12,
)


def clustered(n: int, seed: int = 0) -> np.ndarray:
    """Normalised vectors around 60 centres, the same for every seed."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(60, DIM))
    vectors = centres[random.integers(60, size=n)] + 0.5 * random.normal(size=(n, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def coded(n: int) -> tuple[ApproximateIndex, np.ndarray]:
    """An index of the ids 0 to n - 1 that searches by codes, and its vectors."""
    index, vectors = ApproximateIndex(DIM, exact_below=500), clustered(n)
    index.add(range(n), vectors)
    index.rebuild()
    return index, vectors


def recall(index: ApproximateIndex, kept: dict[int, np.ndarray], k: int = 50) -> float:
    """The share of the k nearest that is found; what is found is held against `kept`."""
    ids, matrix = np.array(list(kept)), np.array(list(kept.values()))
    queries, hits = clustered(40, seed=1), 0
    for query in queries:
        found, cosines = index.search(query, k)
        assert len(set(found.tolist())) == len(found) == k
        assert np.all(np.diff(cosines) <= 0)
        held_against = np.array([kept[id_] for id_ in found.tolist()]) @ query
        assert cosines == pytest.approx(held_against, abs=1e-5)
        hits += len(np.intersect1d(found, ids[np.argsort(-(matrix @ query))[:k]]))
    return hits / (k * len(queries))


@settings(deadline=None, database=None, derandomize=True)
@given(changes=CHANGES, seed=st.integers(0, 2**32 - 1), k=st.integers(0, 10))
def test_a_small_index_finds_what_numpy_finds_after_any_changes(
    changes: list[tuple[str, list[int]]], seed: int, k: int
) -> None:
    random = np.random.default_rng(seed)
    index, kept = ApproximateIndex(3), {}
    for change, ids in changes:
        if change == "add":
            vectors = random.normal(size=(len(ids), 3)).astype(np.float32)
            index.add(ids, vectors)
            kept |= dict(zip(ids, vectors, strict=True))
        elif change == "remove":
            index.remove(ids)
            kept = {id_: vector for id_, vector in kept.items() if id_ not in ids}
        else:
            index.rebuild()
        assert len(index) == len(kept)
        assert [id_ in index for id_ in range(-5, 6)] == [id_ in kept for id_ in range(-5, 6)]
        query = random.normal(size=3).astype(np.float32)
        wanted = {id_: float(vector @ query) for id_, vector in kept.items()}
        best = sorted(wanted, key=lambda id_: -wanted[id_])[:k]
        found, cosines = index.search(query, k)
        assert found.tolist() == best
        assert cosines.tolist() == pytest.approx([wanted[id_] for id_ in best], abs=1e-5)


def test_a_large_index_is_exact_until_it_is_rebuilt() -> None:
    index, vectors = ApproximateIndex(DIM, exact_below=500), clustered(2000)
    index.add(range(2000), vectors)
    assert recall(index, dict(enumerate(vectors))) == 1


def test_a_large_index_finds_nearly_all_by_codes() -> None:
    index, vectors = coded(5000)
    assert recall(index, dict(enumerate(vectors))) > 0.95


def test_what_comes_and_goes_after_the_rebuild_is_seen() -> None:
    index, vectors = coded(4000)
    kept, new = dict(enumerate(vectors)), clustered(1000, seed=2)
    index.remove(range(500))
    index.add(range(500, 1000), new[:500])
    index.add(range(9500, 10_000), new[500:])
    for id_ in range(500):
        del kept[id_]
    kept |= dict(zip([*range(500, 1000), *range(9500, 10_000)], new, strict=True))
    assert len(index) == len(kept)
    assert recall(index, kept) > 0.95
    index.rebuild()
    assert len(index) == len(kept)
    assert recall(index, kept) > 0.95


def test_a_replaced_vector_is_found_by_the_new_one_alone() -> None:
    index, vectors = coded(2000)
    index.add([7], -vectors[7:8])
    found, cosines = index.search(vectors[7], 2000)
    assert found[-1] == 7
    assert cosines[-1] == pytest.approx(-1, abs=1e-5)
    assert index.search(-vectors[7], 1)[0].tolist() == [7]


def test_the_neighbourhood_of_the_removed_is_looked_through() -> None:
    index, vectors = coded(3000)
    gone, _ = index.search(vectors[0], 1000)
    index.remove(gone.tolist())
    left = np.setdiff1d(np.arange(3000), gone)
    best = left[np.argsort(-(vectors[left] @ vectors[0]))[:20]]
    found, _ = index.search(vectors[0], 20)
    assert len(np.intersect1d(found, best)) >= 18


def test_it_is_due_when_large_and_when_much_has_changed() -> None:
    index, vectors = ApproximateIndex(DIM, exact_below=500), clustered(6000)
    index.add(range(499), vectors[:499])
    assert not index.due
    index.add(range(6000), vectors)
    assert index.due
    index.rebuild()
    assert not index.due
    index.remove(range(1000))
    assert not index.due
    index.add(range(1000), vectors[:1000])
    assert index.due
    index.rebuild()
    assert not index.due


def test_a_small_index_is_due_when_full_of_the_dead() -> None:
    index = ApproximateIndex(2)
    for _ in range(1026):
        index.add([1], np.ones((1, 2), dtype=np.float32))
    assert index.due
    index.rebuild()
    assert not index.due
    assert index.search(np.ones(2, dtype=np.float32), 5)[0].tolist() == [1]


def test_a_few_changes_during_a_rebuild_are_kept() -> None:
    index, vectors = coded(6000)
    kept, new, came = dict(enumerate(vectors)), clustered(40, seed=3), 0
    with ThreadPoolExecutor(1) as thread:
        rebuilding = thread.submit(index.rebuild)
        while not rebuilding.done() and came < 40:
            index.add([came], new[came : came + 1])
            index.remove([5000 + came])
            kept[came] = new[came]
            del kept[5000 + came]
            came += 1
            sleep(0.001)
    rebuilding.result()
    assert len(index) == len(kept)
    assert recall(index, kept) > 0.95
    for id_ in range(came):
        assert index.search(new[id_], 1)[0].tolist() == [id_]


def test_changes_and_searches_go_on_while_it_is_rebuilt() -> None:
    index, vectors = coded(3000)
    done = Event()
    always, gone = range(1000, 2000), range(500)

    def change() -> dict[int, np.ndarray]:
        kept, turn = dict(enumerate(vectors[500:], start=500)), 0
        index.remove(gone)
        while not done.is_set():
            turn += 1
            new = clustered(100, seed=turn)
            first = 10_000 + 50 * (turn % 8)
            ids = [*range(2000, 2050), *range(first, first + 50)]
            kept |= dict(zip(ids, new.copy(), strict=True))
            index.add(ids, new)
            new[:] = 0  # The array is the caller's, who may write into it.
            for id_ in ids[::20]:
                found, cosines = index.search(kept[id_], 1)
                assert found.tolist() == [id_]
                assert cosines[0] == pytest.approx(1, abs=1e-5)
            index.remove([2999, ids[-1]])
            kept.pop(2999, None)
            kept.pop(ids[-1])
            assert ids[-1] not in index
        return kept

    def search() -> int:
        searches = 0
        while not done.is_set():
            probe = always[searches % len(always)]
            ids, cosines = index.search(vectors[probe], 20)
            assert ids[0] == probe
            assert cosines[0] == pytest.approx(1, abs=1e-5)
            assert len(set(ids.tolist())) == 20
            searches += 1
        return searches

    with ThreadPoolExecutor(3) as threads:
        changing, searching = threads.submit(change), threads.submit(search)
        try:
            for _ in range(10):
                threads.submit(index.rebuild).result()
        finally:
            done.set()
    kept = changing.result()
    assert searching.result() > 0
    assert len(index) == len(kept)
    ids, _ = index.search(vectors[0], len(index))
    assert set(ids.tolist()) == set(kept)
    assert recall(index, kept) > 0.95


def test_an_empty_index_finds_nothing() -> None:
    index = ApproximateIndex(2, exact_below=0)
    index.remove([1])
    index.rebuild()
    ids, cosines = index.search(np.ones(2, dtype=np.float32), 3)
    assert (ids.tolist(), cosines.tolist()) == ([], [])
    assert (ids.dtype, cosines.dtype) == (np.int64, np.float32)
    assert not index.due


@pytest.mark.parametrize("k", [0, 1, 600, 2000, 5000])
def test_as_many_are_found_as_are_wanted_and_there(k: int) -> None:
    index, vectors = coded(2000)
    ids, cosines = index.search(vectors[0], k)
    assert len(ids) == len(cosines) == min(k, 2000)
    assert (ids.dtype, cosines.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize(
    "vectors", [np.ones((1, 3)), np.ones((2, 2)), np.ones(2), np.array([[np.nan, 1]])]
)
def test_vectors_that_do_not_fit_change_nothing(vectors: np.ndarray) -> None:
    index = ApproximateIndex(2)
    index.add([1], np.ones((1, 2), dtype=np.float32))
    with pytest.raises(InvalidInput):
        index.add([1], vectors)
    ids, cosines = index.search(np.ones(2, dtype=np.float32), 5)
    assert (ids.tolist(), cosines.tolist()) == ([1], [2])


@pytest.mark.parametrize("vector", [[1.0], [[1.0, 1.0]], [np.inf, 1.0]])
def test_a_query_that_does_not_fit_is_refused(vector: Sequence[float]) -> None:
    with pytest.raises(InvalidInput):
        ApproximateIndex(2).search(np.array(vector, dtype=np.float32), 1)
