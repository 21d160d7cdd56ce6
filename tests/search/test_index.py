from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.errors import InvalidInput
from callboard.search.dense import DenseIndex
from callboard.search.fusion import fuse
from callboard.search.index import SearchIndex
from callboard.search.lexical import LexicalIndex
from callboard.search.minilm import OnnxEncoder

DIM = 3
IDS = st.lists(st.sampled_from("abcdefgh"), max_size=5)
CHANGES = st.lists(st.tuples(st.sampled_from(["add", "remove"]), IDS), max_size=12)
WORDS = ["red", "green", "blue", "charges", "invoice"]


@settings(deadline=None, database=None, derandomize=True)
@given(changes=CHANGES, seed=st.integers(0, 2**32 - 1), k=st.integers(0, 10))
def test_it_finds_what_a_fresh_index_of_each_kind_finds(
    changes: list[tuple[str, list[str]]], seed: int, k: int
) -> None:
    random = np.random.default_rng(seed)
    index, kept = SearchIndex(dense_weight=1.0, lexical_weight=0.5), {}
    for change, ids in changes:
        if change == "add":
            texts = [" ".join(random.choice(WORDS, size=4)) for _ in ids]
            vectors = random.normal(size=(len(ids), DIM)).astype(np.float32)
            index.add(ids, texts, vectors)
            kept |= dict(zip(ids, zip(texts, vectors, strict=True), strict=True))
        else:
            index.remove(ids)
            kept = {id_: entry for id_, entry in kept.items() if id_ not in ids}
    query, vector = "red invoice", random.normal(size=DIM).astype(np.float32)
    hits = index.search(query, vector, k)
    assert set(index.ids) == set(kept)
    assert len(hits) == min(k, len(kept))
    if not kept:
        return
    dense, lexical = DenseIndex(DIM), LexicalIndex()
    dense.add(list(kept), np.array([entry[1] for entry in kept.values()]))
    lexical.add(list(kept), [entry[0] for entry in kept.values()])
    cosines, bm25 = dense.scores(vector), lexical.scores(query)
    columns = [np.array([scores[id_] for id_ in kept]) for scores in (cosines, bm25)]
    fused = dict(zip(kept, fuse(columns, [1.0, 0.5]), strict=True))
    assert [hit.score for hit in hits] == pytest.approx(
        sorted(fused.values(), reverse=True)[:k], abs=1e-4
    )
    for hit in hits:
        assert hit.score == pytest.approx(fused[hit.id], abs=1e-4)
        assert hit.similarity == pytest.approx(cosines[hit.id], abs=1e-5)
        assert hit.lexical == pytest.approx(bm25[hit.id], abs=1e-5)


def test_words_decide_where_meaning_is_alike_and_the_other_way_round(encoder: OnnxEncoder) -> None:
    texts = {
        "7": "Order 4711 was shipped on Monday.",
        "8": "Order 4712 was shipped on Tuesday.",
        "9": "You get your money back within two weeks.",
    }
    index = SearchIndex()
    index.add(list(texts), list(texts.values()), encoder.encode(list(texts.values())))
    for query, wanted in (("4712?", "8"), ("refund period", "9")):
        assert index.search(query, encoder.encode([query])[0], 1)[0].id == wanted


def test_an_empty_index_finds_nothing() -> None:
    index = SearchIndex()
    index.remove(["a"])
    index.add([], [], np.empty((0, 2), dtype=np.float32))
    assert index.search("query", np.ones(2, dtype=np.float32), 3) == []


@pytest.mark.parametrize(
    ("texts", "vectors"),
    [(["new"], np.ones((1, 3))), (["new", "more"], np.ones((1, 2))), (["new"], np.ones(2))],
)
def test_what_does_not_fit_changes_nothing(texts: list[str], vectors: np.ndarray) -> None:
    index = SearchIndex()
    index.add(["a"], ["old"], np.ones((1, 2), dtype=np.float32))
    with pytest.raises(InvalidInput):
        index.add(["a"], texts, vectors)
    (hit,) = index.search("old", np.ones(2, dtype=np.float32), 3)
    assert hit.lexical > 0
    assert hit.similarity == 2.0
