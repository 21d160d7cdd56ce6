"""Dates and spans of time as they stand in a text: `3 March 2026`, `2026-03-03`, `six weeks`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

from .wording import alternatives, table

MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary|uary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"[12]\d{3}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDate:
    """A date in a text; `whole` False: the text names no year, so that the nearest is meant.

    `precision` is "month" where the text names a month only, and `day` then is its first;
    `turn` marks next, this or last Friday.
    """

    start: int
    end: int
    day: date
    whole: bool = True
    precision: Literal["day", "month"] = "day"
    name: str | None = None
    turn: bool = False

    @property
    def named(self) -> bool:
        """Whether it is told by a name, such as Easter or next Friday, and not by its numbers."""
        return self.turn or self.name is not None

    def next_year(self) -> date:
        """Return the same day one year later; 29 February becomes the 28th, Easter moves."""
        if self.name:
            return named_day(self.name, self.day.year + 1)
        from dateutil.relativedelta import relativedelta

        return self.day + relativedelta(years=1)


def find_dates(text: str, today: date) -> list[FoundDate]:
    """Return the dates in `text` in order; a date without a year is one of this year.

    Days that no calendar has (2025-02-30) are left out. `3/4/2026` is the third of April.
    """
    found: list[FoundDate] = []
    for match in _pattern().finditer(text):
        parts = {name: part for name, part in match.groupdict().items() if part}
        try:
            day, whole = _read(parts, today)
        except ValueError:
            continue
        found.append(
            FoundDate(
                start=match.start(),
                end=match.end(),
                day=day,
                whole=whole,
                precision="month" if "y4" in parts else "day",
                name=parts.get("named", "").lower() or None,
                turn="turn" in parts,
            )
        )
    return found


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    calendar = table("calendar")
    named = alternatives([*calendar["days"], *calendar["easter"]])
    verbs = r"(?:(?:falls?|fell|is|be|on|lands?|celebrated)\s+)*(?:of|in)\s+"
    which = rf"(?:\s+(?:{verbs})?(?P<ny>{_YEAR}|this year|next year|last year))?"
    return re.compile(
        rf"\b(?:(?P<iso>{_YEAR}-\d{{1,2}}-\d{{1,2}})"
        rf"|(?P<d1>\d{{1,2}})[./](?P<m1>\d{{1,2}})[./](?P<y1>{_YEAR})"
        rf"|(?:the\s+)?(?P<d2>{_DAY})(?:\s+of)?[\s-]+(?P<m2>{_MONTH})(?:,?[\s-]+(?P<y2>{_YEAR}))?"
        rf"|(?P<m3>{_MONTH})\s+(?:the\s+)?(?P<d3>{_DAY})(?!\d)(?:,?\s+(?P<y3>{_YEAR}))?"
        rf"|(?P<m4>{_MONTH})(?:\s+of)?,?\s+(?P<y4>{_YEAR})"
        rf"|(?P<named>{named}){which}"
        r"|(?P<near>today|now|tomorrow|yesterday|the day after tomorrow|the day before yesterday)"
        rf"|(?P<turn>next|last|this|coming)\s+(?P<weekday>{'|'.join(WEEKDAYS)})"
        rf")(?!\w)",
        re.IGNORECASE,
    )


def _read(parts: dict[str, str], today: date) -> tuple[date, bool]:
    """Return the date that a match means, and whether its year is named.

    Raises:
        ValueError: no calendar has such a day.
    """
    if "iso" in parts:
        year, month, day = map(int, parts["iso"].split("-"))
        return date(year, month, day), True
    if "y1" in parts:
        return date(int(parts["y1"]), int(parts["m1"]), int(parts["d1"])), True
    for n in "23":
        if f"d{n}" in parts:
            year = int(parts.get(f"y{n}", today.year))
            day = int(re.sub(r"\D", "", parts[f"d{n}"]))
            return date(year, month_number(parts[f"m{n}"]), day), f"y{n}" in parts
    if "y4" in parts:
        return date(int(parts["y4"]), month_number(parts["m4"]), 1), True
    if "named" in parts:
        return _named(parts["named"].lower(), parts.get("ny", "").lower(), today)
    if "near" in parts:
        return today + timedelta(days=_NEAR[parts["near"].lower()]), True
    return _turn(parts["turn"].lower(), parts["weekday"].lower(), today), True


_NEAR = {
    "today": 0,
    "now": 0,
    "tomorrow": 1,
    "yesterday": -1,
    "the day after tomorrow": 2,
    "the day before yesterday": -2,
}


def month_number(name: str) -> int:
    """Return 1 to 12 for a month's name or its first three letters."""
    key = name.lower()[:3]
    return next(number for number, month in enumerate(MONTHS, 1) if month.startswith(key))


def _named(name: str, year: str, today: date) -> tuple[date, bool]:
    turns = {"": 0, "this year": 0, "next year": 1, "last year": -1}
    number = today.year + turns[year] if year in turns else int(year)
    return named_day(name, number), bool(year)


def named_day(name: str, year: int) -> date:
    """Return a day with a name, such as Christmas or Easter, in a year."""
    calendar = table("calendar")
    if name in calendar["days"]:
        month, day = calendar["days"][name]
        return date(year, month, day)
    from dateutil.easter import easter

    return easter(year) + timedelta(days=calendar["easter"][name])


def _turn(turn: str, weekday: str, today: date) -> date:
    """Return e.g. next Friday: the first one after today; 'this' may be today itself."""
    ahead = (WEEKDAYS.index(weekday) - today.weekday()) % 7
    if turn == "last":
        return today - timedelta(days=(7 - ahead) % 7 or 7)
    return today + timedelta(days=ahead if turn == "this" else ahead or 7)


def told(day: date) -> str:
    """Return the date with its weekday: 'Wednesday, 2026-04-15'."""
    return f"{WEEKDAYS[day.weekday()].title()}, {day.isoformat()}"
