"""Turns become chunks, and nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.memory.chunks import AGENT_TRUST, USER_TRUST, Turn, cut, dated, split

NOW = datetime(2026, 1, 15, tzinfo=UTC)


def words(text: str) -> int:
    return len(text.split())


def many(texts: Sequence[str]) -> list[int]:
    return [words(text) for text in texts]


def said(writer: str, text: str, trust: float = USER_TRUST) -> Turn:
    return Turn(writer=writer, text=text, created_at=NOW, trust=trust)


def test_every_turn_is_a_chunk_of_its_own() -> None:
    turns = [said("Ann", "one two three"), said("helper", "four five", AGENT_TRUST)]
    chunks = cut(turns, chunk_tokens=8, count_many=many)
    assert [chunk.text for chunk in chunks] == ["Ann: one two three", "helper: four five"]
    assert [chunk.writer for chunk in chunks] == ["Ann", "helper"]
    assert [chunk.tokens for chunk in chunks] == [4, 3]
    assert [chunk.trust for chunk in chunks] == [1.0, 0.5]


def test_a_blank_turn_makes_no_chunk() -> None:
    assert cut([said("user", " \n")], chunk_tokens=32, count_many=many) == []


def test_a_long_turn_is_cut_at_sentences_and_every_piece_names_its_writer() -> None:
    text = "First comes this. Then comes that. Last comes nothing more."
    chunks = cut([said("user", text)], chunk_tokens=8, count_many=many)
    assert [chunk.text for chunk in chunks] == [
        "user: First comes this. Then comes that. ",
        "user: Last comes nothing more.",
    ]


def test_paragraphs_are_kept_together_before_sentences() -> None:
    text = "A b. C d.\n\nE f. G h.\n\nI j."
    assert split(text, limit=4, count_tokens=words) == ["A b. C d.\n\n", "E f. G h.\n\n", "I j."]


def test_an_endless_word_is_cut_although_the_tokenizer_counts_it_as_one() -> None:
    pieces = split("x" * 10_000, limit=32, count_tokens=words)
    assert "".join(pieces) == "x" * 10_000
    assert max(map(len, pieces)) < 300


@given(st.text(st.sampled_from("ab .\n\t!é😀"), max_size=300), st.integers(2, 20))
def test_the_pieces_of_a_text_joined_are_the_text(text: str, limit: int) -> None:
    pieces = split(text, limit=limit, count_tokens=words)
    assert "".join(pieces) == text
    assert all(words(piece) <= limit for piece in pieces)


@given(st.lists(st.text("ab. \n", min_size=1, max_size=120), max_size=6), st.integers(6, 40))
def test_every_word_of_every_turn_is_in_a_chunk(texts: list[str], limit: int) -> None:
    turns = [said("user", text) for text in texts]
    chunks = cut(turns, chunk_tokens=limit, count_many=many)
    kept = " ".join(chunk.text.replace("user: ", "") for chunk in chunks)
    # A piece may end within a word only where the word alone is too long.
    assert kept.replace("\n", " ").split() == " ".join(texts).split()
    assert all(chunk.tokens <= limit for chunk in chunks)


@pytest.mark.parametrize("text", ["", "Hello."])
def test_the_date_stands_in_front_of_what_is_indexed(text: str) -> None:
    assert dated(text, NOW) == f"15 January 2026\n{text}"
