from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.errors import InvalidInput
from callboard.search.lexical import LexicalIndex
from callboard.search.words import words

K1, B = 1.2, 0.75
WORDS = st.sampled_from(["red", "green", "blue", "charges", "invoice", "the"])
TEXTS = st.lists(WORDS, max_size=8).map(" ".join)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.dictionaries(st.sampled_from("abcdefgh"), TEXTS, max_size=4)),
        st.tuples(st.just("remove"), st.dictionaries(st.sampled_from("abcdefgh"), st.none())),
    ),
    max_size=12,
)


def bm25(texts: Mapping[str, str], query: str) -> dict[str, float]:
    """The formula, word by word and text by text."""
    bags = {id_: words(text) for id_, text in texts.items()}
    average = sum(map(len, bags.values())) / max(len(bags), 1)
    scores = dict.fromkeys(bags, 0.0)
    for word in words(query):
        df = sum(word in bag for bag in bags.values())
        idf = math.log(1 + (len(bags) - df + 0.5) / (df + 0.5))
        for id_, bag in bags.items():
            if tf := bag.count(word):
                scores[id_] += idf * tf / (tf + K1 * (1 - B + B * len(bag) / average))
    return scores


@settings(deadline=None, database=None, derandomize=True)
@given(changes=CHANGES, query=TEXTS, k=st.integers(0, 10))
def test_scores_are_those_of_the_formula_after_any_changes(
    changes: list[tuple[str, dict[str, str]]], query: str, k: int
) -> None:
    index, kept = LexicalIndex(k1=K1, b=B), {}
    for change, texts in changes:
        if change == "add":
            index.add(list(texts), list(texts.values()))
            kept |= texts
        else:
            index.remove(texts)
            kept = {id_: text for id_, text in kept.items() if id_ not in texts}
    wanted = bm25(kept, query)
    assert index.scores(query) == pytest.approx(wanted, rel=1e-5)
    assert len(index) == len(kept)
    hits = index.search(query, k)
    assert [hit.score for hit in hits] == pytest.approx(
        sorted((score for score in wanted.values() if score > 0), reverse=True)[:k], rel=1e-5
    )
    assert all(wanted[hit.id] == pytest.approx(hit.score, rel=1e-5) for hit in hits)


def test_words_are_found_in_any_form_and_case() -> None:
    index = LexicalIndex()
    index.add(["billing", "weather"], ["Charges and INVOICES", "Rain in Köln"])
    assert [hit.id for hit in index.search("why was I charged?", 5)] == ["billing"]
    assert [hit.id for hit in index.search("raining KÖLN", 5)] == ["weather"]


def test_the_last_of_one_id_counts() -> None:
    index = LexicalIndex()
    index.add(["a", "a"], ["red", "green"])
    assert len(index) == 1
    assert index.search("red", 5) == []
    assert [hit.id for hit in index.search("green", 5)] == ["a"]


def test_a_query_without_words_finds_nothing() -> None:
    index = LexicalIndex()
    assert index.search("anything", 5) == []
    index.add(["a", "empty"], ["to be or not to be", ""])
    assert index.search("to be", 5) == []
    assert index.scores("?!") == {"a": 0.0, "empty": 0.0}


def test_ids_without_texts_are_refused() -> None:
    with pytest.raises(InvalidInput, match="2 ids came with 1 texts"):
        LexicalIndex().add(["a", "b"], ["text"])


def test_words_are_stemmed_lower_case_and_without_stop_words() -> None:
    assert words("The charges, e.g. for order_12 & ﬁnes: 3.5%") == [
        *("charg", "e", "g", "order", "12", "fine", "3", "5"),
    ]
    assert words("x" * 1000) == ["x" * 1000]
