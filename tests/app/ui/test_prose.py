"""What people and agents wrote, as Markdown that shows it and does nothing."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from callboard.app.ui.prose import literal, prose

MARKDOWN = MarkdownIt("commonmark", {"html": False})
TEXT = st.text(
    st.one_of(
        st.sampled_from(r"\`*_{}[]()<>#+-.!|~$:@&ab1 "),
        st.characters(codec="utf-8", categories=("L", "N", "P", "S")),
    ),
    max_size=60,
)


def shown(markdown: str) -> str:
    """Return the words that a reader sees, on one line."""
    text = html.unescape(re.sub(r"<[^>]+>", "", MARKDOWN.render(markdown)))
    return " ".join(text.split())


@given(TEXT)
def test_a_literal_is_shown_as_it_stands(text: str) -> None:
    assert shown("x" + literal(text)) == "x" + " ".join(text.split()).strip()


@given(TEXT)
def test_prose_fetches_nothing(text: str) -> None:
    assert "<img" not in MARKDOWN.render(prose(text))


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("It costs $5 or $6.", r"It costs \$5 or \$6."),
        ("![a](http://x/y.png)", r"\![a](http://x/y.png)"),
        ("Look: :red[here] :material/x: :smile:", r"Look: \:red[here] \:material/x: \:smile:"),
        ("at 10:30, http://a.b/c", "at 10:30, http://a.b/c"),
        ("`$HOME` and ```\n$x ![a](b)\n```", "`$HOME` and ```\n$x ![a](b)\n```"),
        ("**bold**\n\n- one\n- two", "**bold**\n\n- one\n- two"),
        ("bell \x07 and \x1b[31mred", "bell  and [31mred"),
    ],
)
def test_prose_keeps_form_and_stops_what_acts(text: str, markdown: str) -> None:
    assert prose(text) == markdown


def test_a_literal_is_cut_with_a_mark() -> None:
    assert literal("one two three", 8) == "one two…"
    assert literal("one two", 8) == "one two"
