from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.router.retrieval.parts import MAX_PARTS, is_wish, split_wishes


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        (
            "What is 15% of 240, and which weekday is 90 days after 2026-01-15?",
            ("What is 15% of 240", "which weekday is 90 days after 2026-01-15?"),
        ),
        (
            "I was charged twice, what is 2 x 19.90?",
            ("I was charged twice", "what is 2 x 19.90?"),
        ),
        (
            "How long is a mile? Also tell me the time in Oslo.",
            ("How long is a mile?", "tell me the time in Oslo."),
        ),
        (
            "I was charged twice and since then I cannot log in, please fix both.",
            ("I was charged twice", "I cannot log in, please fix both."),
        ),
    ],
)
def test_a_new_wish_begins_where_a_question_or_request_follows(
    query: str, parts: tuple[str, ...]
) -> None:
    assert split_wishes(query) == parts


@pytest.mark.parametrize(
    "query",
    [
        "What is the sum of 3, 4 and 5?",
        "convert 5 pounds and 3 ounces to grams",
        "Who was charged?",
        "one two three",
        "3.5 km in miles",
        "My invoice is wrong, please fix it.",
        "The app crashes. Can you help me with that?",
    ],
)
def test_one_wish_is_not_cut(query: str) -> None:
    assert split_wishes(query) == (query,)


def test_what_has_too_many_pieces_is_left_whole() -> None:
    query = " ".join(f"What is {number}?" for number in range(MAX_PARTS + 1))
    assert split_wishes(query) == (query,)


@given(st.text(max_size=300))
def test_no_word_is_lost_by_splitting_but_joining_ones(query: str) -> None:
    joining = {"and", "also", "then", "plus", "please"}
    kept = " ".join(split_wishes(query)).lower().split()
    for word in query.lower().split():
        bare = word.strip(" ,;")
        assert not bare or bare in joining or any(bare in other for other in kept)


def test_a_statement_is_no_wish() -> None:
    assert not is_wish("I bought a jacket.")
    assert is_wish("How do I return it?")
    assert is_wish("convert it")


def test_numbered_wishes_are_parts() -> None:
    query = "1) what weekday is 12 June 2027? 2) 84 guests at 65 each, then write to Mia"
    assert split_wishes(query) == (
        "what weekday is 12 June 2027?",
        "84 guests at 65 each",
        "write to Mia",
    )
