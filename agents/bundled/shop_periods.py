"""The period that a question about the sample shop names: a day, a month, a quarter, two ends."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

from .date_texts import FoundDate, find_dates, month_number

YEAR = 2025
"""The year of the sample orders: a month without a year is one of it."""

_QUARTERS = {
    "first": 1,
    "1st": 1,
    "second": 2,
    "2nd": 2,
    "third": 3,
    "3rd": 3,
    "fourth": 4,
    "4th": 4,
    "last": 4,
}
_MONTHS = "|".join(name.lower() for name in calendar.month_name[1:])
_QUARTER = re.compile(
    rf"\b(?:q([1-4])|({'|'.join(_QUARTERS)}) quarter)(?: (?:of )?(\d{{4}}))?\b", re.IGNORECASE
)
_FROM_TO = re.compile(
    rf"\b(?:between|from) ({_MONTHS}) (?:and|to|until|till) ({_MONTHS})(?: (\d{{4}}))?\b",
    re.IGNORECASE,
)
# "may" alone is a verb more often than a month.
_MONTH = re.compile(
    rf"\b(?:in|for|during|of|by) ({_MONTHS})\b|\b({_MONTHS.replace('|may', '')})\b", re.IGNORECASE
)
_YEAR = re.compile(r"\b(20\d\d)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The days from `start` up to and with `end`, as the question names them."""

    start: date
    end: date
    words: str


def find_period(text: str) -> tuple[Period | None, str]:
    """Return the period that the text names, and the text with it blanked."""
    if found := _QUARTER.search(text):
        number = int(found[1]) if found[1] else _QUARTERS[found[2].lower()]
        year = int(found[3] or YEAR)
        last, words = 3 * number, f"in quarter {number} of {year}"
        return _months(year, last - 2, last, words), _blanked(text, *found.span())
    if found := _FROM_TO.search(text):
        first, last = month_number(found[1]), month_number(found[2])
        year = int(found[3] or YEAR)
        words = f"from {calendar.month_name[first]} to {calendar.month_name[last]} {year}"
        return _months(year, first, max(first, last), words), _blanked(text, *found.span())
    if dates := find_dates(text, date(YEAR, 12, 31)):
        return _dated(text, dates), _blanked(text, dates[0].start, dates[-1].end)
    if found := _MONTH.search(text):
        number = month_number(found[1] or found[2])
        words = f"in {calendar.month_name[number]} {YEAR}"
        return _months(YEAR, number, number, words), _blanked(text, *found.span())
    if found := _YEAR.search(text):
        year = int(found[1])
        return _months(year, 1, 12, f"in {year}"), _blanked(text, *found.span())
    return None, text


def _blanked(text: str, start: int, end: int) -> str:
    return f"{text[:start]} <period> {text[end:]}"


def _months(year: int, first: int, last: int, words: str) -> Period:
    end = date(year, last, calendar.monthrange(year, last)[1])
    return Period(start=date(year, first, 1), end=end, words=words)


def _dated(text: str, dates: list[FoundDate]) -> Period:
    """Return the period that dates mean: a day, a month, two ends, or all before or after."""
    first, last = dates[0].day, _end(dates[-1])
    if len(dates) > 1:
        return Period(start=first, end=last, words=f"from {first} to {last}")
    before = text[: dates[0].start].rstrip().rsplit(" ", 1)[-1].lower()
    if before in ("since", "after"):
        start = first if before == "since" else last + timedelta(days=1)
        return Period(start=start, end=date.max, words=f"{before} {first}")
    if before in ("before", "until", "till"):
        end = first - timedelta(days=1) if before == "before" else last
        return Period(start=date.min, end=end, words=f"{before} {first}")
    if dates[0].precision == "month":
        return Period(start=first, end=last, words=f"in {first:%B %Y}")
    return Period(start=first, end=last, words=f"on {first}")


def _end(found: FoundDate) -> date:
    if found.precision == "day":
        return found.day
    return found.day.replace(day=calendar.monthrange(found.day.year, found.day.month)[1])
