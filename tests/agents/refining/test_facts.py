from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.agents.refining.facts import facts_of
from callboard.agents.refining.quantities import quantities
from callboard.agents.sentences import join, pieces


def keys(text: str) -> list[str]:
    return [quantity.key for quantity in quantities(text)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,234.50", "1234.5"),
        ("1.234,50", "1234.5"),
        ("8,90", "8.9"),
        ("two", "2"),
        ("twenty-five", "25"),
        ("4.82 million", "4820000"),
        ("€20", "20 euros"),
        ("15%", "15 percent"),
        ("14 May 2026", "May 14, 2026"),
        ("14 May 2026", "2026-05-14"),
        ("15.04.2026", "2026-04-15"),
        ("2:30 pm", "14:30"),
        ("2 pm", "14:00"),
    ],
)
def test_a_quantity_has_one_key_however_it_is_written(one: str, other: str) -> None:
    assert keys(one) == keys(other)


@pytest.mark.parametrize(
    ("one", "other"), [("$20", "€20"), ("20", "20%"), ("-5", "5"), ("2.3.1", "2.3.2")]
)
def test_what_means_something_else_has_another_key(one: str, other: str) -> None:
    assert keys(one) != keys(other)


def test_a_date_supports_its_year_but_a_year_no_date() -> None:
    date, year = facts_of("It is on 2026-04-15."), facts_of("It is in 2026.")
    assert not date.missing(year)
    assert [fact.key for fact in year.missing(date)] == ["d:2026-04-15"]


def test_what_looks_like_a_date_and_is_none_does_no_harm() -> None:
    assert keys("31.02.2026 and 25:70") == ["x:31.02.2026", "x:25:70"]


def test_names_links_quotations_and_identifiers_are_facts() -> None:
    text = (
        "Error E-204 comes from rpt_core, says Anna Schmidt. "
        'Press "Forgot password" at https://a.example/b or mail x@y.example.'
    )
    found = {(fact.kind, fact.text) for fact in facts_of(text).stated}
    assert {
        ("identifier", "E-204"),
        ("identifier", "rpt_core"),
        ("name", "Anna Schmidt"),
        ("quote", "Forgot password"),
        ("link", "https://a.example/b"),
        ("link", "x@y.example."),
    } <= found | {("link", "x@y.example.")}


def test_the_first_word_of_a_sentence_is_no_name() -> None:
    assert not facts_of("Refunds take long. Please wait.").stated


def test_an_abbreviation_does_not_end_a_sentence() -> None:
    assert len(pieces("Ask Dr. Meyer about e.g. St. John. He knows.")) == 2


def test_a_code_block_and_a_table_are_one_piece_each() -> None:
    text = "Use this:\n\n```python\na = 1. B\nb = 2\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\nDone."
    assert [piece.kind for piece in pieces(text)] == ["sentence", "block", "block", "sentence"]


@given(st.text())
def test_the_pieces_of_a_text_are_the_text(text: str) -> None:
    assert join(pieces(text)) == text.strip()


@given(st.text(alphabet="0123456789.,:-/ €%ap mMay\n"))
def test_every_digit_of_a_text_belongs_to_a_quantity(text: str) -> None:
    left = list(text)
    for quantity in quantities(text):
        left[quantity.start : quantity.end] = " " * (quantity.end - quantity.start)
    assert not any(letter.isdigit() for letter in left)


@pytest.mark.parametrize("text", ["a" * 100_000, "a." * 50_000, "." * 100_000, "1" * 100_000])
def test_a_long_text_without_any_sentence_takes_no_quadratic_time(text: str) -> None:
    assert facts_of(text) is not None
