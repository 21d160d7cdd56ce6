"""What a question about the sample shop names: products, customers, a period, a ranking."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal

from .shop_database import values
from .shop_periods import Period, find_period
from .wording import alternatives, table

_COLUMNS = {
    "product": ("name", "products"),
    "category": ("category", "products"),
    "customer": ("name", "customers"),
    "country": ("country", "customers"),
    "city": ("city", "customers"),
    "status": ("status", "orders"),
}
_NEAR = 0.84
"""How alike a mistyped name must be (difflib ratio)."""
_EACH = r"\b(?:by|per|each|every|across|split by|grouped by)(?: the)?"
_WHICH = r"\b(?:w[hi]*ch|what|whose|who)(?: (?:is|are|was|were))?(?: the| our)?"
_FILLER = r"(?:(?!of\b|in\b|by\b|and\b)[\w'-]+ ){0,3}?"
_ADVERBS = re.compile(r"\b(month|quarter|year)ly\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a question names. `rest` is the text without the names, for matching its wording.

    `told` is the same in the letter case of the text.

    `group` is the dimension that results are grouped by; `count` how many rows are asked for.
    """

    text: str
    rest: str
    told: str = ""
    filters: dict[str, str] = field(default_factory=dict)
    period: Period | None = None
    order: int | None = None
    group: str | None = None
    count: int | None = None
    direction: Literal["ASC", "DESC"] | None = None
    number: int | None = None


def read_question(text: str) -> Question:
    """Read a clause, in which numbers are digits already."""
    filters, rest = _names(text)
    period, rest = find_period(rest)
    number = re.search(r"\b(?:order|no\.?|number|#) ?(?:no\.?|number|#)? ?(\d{4})\b", rest, re.I)
    if number:
        rest = rest.replace(number[1], " ")
    told = re.sub(r" {2,}", " ", rest)
    rest = told.lower()
    words = table("shop_questions")
    fewest = re.search(rf"\b(?:{words['fewest']}|oldest|first)\b(?! expensive)", rest)
    most = re.search(rf"\b(?:{words['most']}|newest|latest|least expensive)\b", rest)
    group, count = _group(rest, ranked=bool(fewest or most))
    if fewest or "least expensive" in rest:
        direction: Literal["ASC", "DESC"] | None = "ASC"
    else:
        direction = "DESC" if most else None
    below = re.search(r"\b(?:than|under|below) (\d+)", rest)
    return Question(
        text=text,
        rest=rest,
        told=told,
        filters=filters,
        period=period,
        order=int(number[1]) if number else None,
        group=group,
        count=count,
        direction=direction,
        number=int(below[1]) if below else None,
    )


# Names -----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _aliases() -> dict[str, dict[str, str]]:
    """Return the words for every value of the shop, in small letters, by dimension."""
    known: dict[str, dict[str, str]] = {}
    for dimension, (column, source) in _COLUMNS.items():
        names = {value.lower(): value for value in values(column, source)}
        if dimension == "customer":
            names |= {value.split()[-1].lower(): value for value in names.values()}
        names |= table("shop_questions")["names"].get(dimension, {})
        known[dimension] = names
    return known


def _names(text: str) -> tuple[dict[str, str], str]:
    """Return the values that the text names, and the text with these blanked."""
    found: dict[str, str] = {}
    for dimension, names in _aliases().items():
        full = [name for name in names if " " in name]
        ending = "(?:e?s)?(?:'s?)?" if dimension == "product" else "(?:'s?)?"
        match = _exact(text, full, ending) or _near(text, full) or _exact(text, names, ending)
        if match:
            word = match[1].lower()
            found[dimension] = names.get(word) or names[get_close_matches(word, full, 1, _NEAR)[0]]
            text = f"{text[: match.start()]} <{dimension}> {text[match.end() :]}"
    return found, text


def _exact(text: str, names: Iterable[str], ending: str) -> re.Match[str] | None:
    return re.search(rf"\b({alternatives(names)}){ending}(?!\w)", text, re.I) if names else None


def _near(text: str, names: list[str]) -> re.Match[str] | None:
    """Return the two words of the text that are a mistyped name, if any: 'clare martin'."""
    for pair in re.finditer(r"(?=\b(\w+ \w+)\b)", text):
        if get_close_matches(pair[1].lower(), names, 1, _NEAR):
            return re.compile(rf"({re.escape(pair[1])})").search(text)
    return None


# Groups ----------------------------------------------------------------------------------------


def _group(rest: str, *, ranked: bool) -> tuple[str | None, int | None]:
    """Return the dimension to group by and how many groups are asked for (None: all).

    'by country' and 'per month' group; so do, in a ranking, 'which product' and 'top 5 products'.
    """
    groups = {name: group["words"] for name, group in table("shop_questions")["groups"].items()}
    for name, words in groups.items():
        if re.search(rf"{_EACH} (?:{words})\b", rest) or name in _ADVERBS.findall(rest):
            top = re.search(r"\b(?:top|best|first) (\d+)\b", rest)
            return name, int(top[1]) if top else None
    if not ranked:
        return None, None
    for name, words in groups.items():
        asked = re.search(rf"{_WHICH} (?:(\d+) )?{_FILLER}(?:{words})\b", rest)
        best = re.search(rf"\b(?:{_ranks()})[ -](?:(\d+) )?{_FILLER}(?:{words})\b", rest)
        number = re.search(rf"\b(\d+) {_FILLER}(?:{words})\b", rest)
        if found := [match for match in (asked, best, number) if match]:
            counts = [int(match[1]) for match in found if match[1]]
            several = found[0][0].endswith("s") and not found[0][0].endswith("status")
            return name, counts[0] if counts else 5 if several else 1
    hidden = {"who": "customer", "where": "country", "when": "month"}
    word = next((word for word in hidden if re.search(rf"\b{word}\b", rest)), None)
    return (hidden[word], 1) if word else (None, None)


def _ranks() -> str:
    words = table("shop_questions")
    return f"{words['most']}|{words['fewest']}"
