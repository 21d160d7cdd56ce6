"""times: the dates and times that passages speak of, each resolved by the passage's date.

"Yesterday" means nothing in a memo that is read a year later; "yesterday = 7 May 2023" does.
"""

from __future__ import annotations

import re
from calendar import day_abbr, day_name, month_abbr, month_name
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from dateutil.relativedelta import relativedelta
from pydantic import Field

from ...values import ModuleSpec
from ..chunks import day
from .asking import Answer, Question, cited
from .base import Outcome, Reading, Worked
from .words import REMEMBERED


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeMention:
    """A date or time as it was written, and what it means.

    `value` is ISO 8601 as far as it is known: a day, month, year, week (`2023-W18`) or clock
    time. `relative`: it was told from the passage's date. `event` is what happened then, where a
    model said so.
    """

    text: str
    value: str
    relative: bool
    chunk_id: str
    event: str = ""

    @property
    def meaning(self) -> str:
        """The value as people write it."""
        if "W" in self.value:
            monday = datetime.strptime(f"{self.value}-1", "%G-W%V-%u")
            return f"the week of {day(monday)}"
        if len(self.value) == len("2023-05-07"):
            return day(datetime.fromisoformat(self.value))
        if len(self.value) == len("2023-05"):
            return datetime.fromisoformat(f"{self.value}-01").strftime("%B %Y")
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The dates and times found, in the order of the passages."""

    mentions: tuple[TimeMention, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """One line for each, as a policy reads them."""
        return tuple(" ".join((m.text, "=", m.meaning, m.event)).strip() for m in self.mentions)

    def with_more(self, more: Times) -> Times:
        """Return these, and those of `more` that are of other words of a passage."""
        known: dict[str, list[str]] = {}
        for one in self.mentions:
            known.setdefault(one.chunk_id, []).append(one.text)
        new = (
            one
            for one in more.mentions
            if not any(one.text in text or text in one.text for text in known.get(one.chunk_id, ()))
        )
        return Times(mentions=(*self.mentions, *new))


_MONTHS = {
    name.casefold(): number
    for names in (month_name, month_abbr)
    for number, name in enumerate(names)
    if name
} | {"sept": 9}
_DAYS = {
    name.casefold(): number for names in (day_name, day_abbr) for number, name in enumerate(names)
} | {"tues": 1, "thur": 3, "thurs": 3}
_NUMBERS = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "a couple of": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
}

# "May", "Mar" or "Sun" alone are words too: months need a day or year beside them, weekdays a
# last, next or this.
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_WEEKDAY = "|".join(sorted(_DAYS, key=len, reverse=True))
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_COUNT = rf"(?P<count>\d{{1,3}}|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"
_UNIT = r"(?P<unit>day|week|month|year)s?"

_NEAR_DAYS = {
    "the day before yesterday": -2,
    "yesterday": -1,
    "last night": -1,
    "today": 0,
    "tonight": 0,
    "this morning": 0,
    "this afternoon": 0,
    "this evening": 0,
    "the day after tomorrow": 2,
    "tomorrow": 1,
}
_TURNS = {"last": -1, "this": 0, "next": 1}

_Meaning = Callable[[re.Match[str], date], str | None]


def _iso(match: re.Match[str], said: date) -> str | None:
    return _day(int(match["year"]), int(match["month"]), int(match["day"]))


def _written(match: re.Match[str], said: date) -> str | None:
    year = int(match["year"]) if match["year"] else said.year
    return _day(year, _MONTHS[match["month"].casefold()], int(match["day"]))


def _month_of_year(match: re.Match[str], said: date) -> str | None:
    return f"{int(match['year']):04d}-{_MONTHS[match['month'].casefold()]:02d}"


def _near_day(match: re.Match[str], said: date) -> str | None:
    return (said + timedelta(days=_NEAR_DAYS[_plain(match[0])])).isoformat()


def _counted(match: re.Match[str], said: date) -> str | None:
    count = match["count"].casefold()
    number = int(count) if count.isdigit() else _NUMBERS[_plain(count)]
    ahead = "ahead" in match.re.groupindex
    return _moved(said, number if ahead else -number, match["unit"].casefold())


def _turned(match: re.Match[str], said: date) -> str | None:
    return _moved(said, _TURNS[match["turn"].casefold()], match["unit"].casefold())


def _weekday(match: re.Match[str], said: date) -> str | None:
    turn, weekday = _TURNS[match["turn"].casefold()], _DAYS[match["weekday"].casefold()]
    ahead = (weekday - said.weekday()) % 7
    if turn < 0:
        ahead -= 7
    elif turn > 0 and ahead == 0:
        ahead = 7
    return (said + timedelta(days=ahead)).isoformat()


_RULES: tuple[tuple[re.Pattern[str], _Meaning], ...] = tuple(
    (re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])", re.IGNORECASE), meaning)
    for pattern, meaning in (
        (r"(?P<year>(?:19|20)\d\d)-(?P<month>\d\d)-(?P<day>\d\d)", _iso),
        (rf"{_DAY} (?:of )?{_MONTH}(?:,? {_YEAR})?(?! '\d\d)", _written),
        (rf"{_MONTH} {_DAY}(?:,? {_YEAR})?(?! '\d\d)", _written),
        (rf"{_MONTH},? (?:of )?{_YEAR}", _month_of_year),
        (rf"(?<=in ){_YEAR}", lambda match, said: match["year"]),
        ("|".join(_NEAR_DAYS), _near_day),
        (rf"{_COUNT} {_UNIT} (?P<ahead>from now)", _counted),
        (rf"(?P<ahead>in) {_COUNT} {_UNIT}", _counted),
        (rf"{_COUNT} {_UNIT} (?:ago|back)", _counted),
        (rf"(?P<turn>last|this|next) (?P<weekday>{_WEEKDAY})", _weekday),
        (r"(?P<turn>last|this|next) (?P<unit>week|month|year)(?:end)?", _turned),
        (r"[0-2]?\d:[0-5]\d(?: ?[ap]\.?m\b)?|1?\d ?[ap]m", lambda match, said: _clock(match[0])),
    )
)


# Thirteen searches that find nothing take most of the time.
_PROMISING = re.compile(
    r"\d|day|night|morning|afternoon|evening|morrow|week|month|year|last|next|this", re.IGNORECASE
)


def _day(year: int, month: int, day_of_month: int) -> str | None:
    try:
        return date(year, month, day_of_month).isoformat()
    except ValueError:
        return None


def _moved(said: date, number: int, unit: str) -> str | None:
    try:
        match unit:
            case "day":
                return (said + timedelta(days=number)).isoformat()
            case "week":
                return (said + timedelta(weeks=number)).strftime("%G-W%V")
            case "month":
                return (said + relativedelta(months=number)).strftime("%Y-%m")
            case _:
                return str((said + relativedelta(years=number)).year)
    except (ValueError, OverflowError):
        return None


def _clock(text: str) -> str | None:
    match = re.match(r"(\d{1,2})(?::(\d\d))? ?([ap])?", text.casefold())
    if match is None:
        return None
    hour, minute, half = int(match[1]), int(match[2] or 0), match[3]
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"{hour:02d}:{minute:02d}" if hour < 24 else None


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def find_times(given: Reading) -> Times:
    """Find what the rules know: ISO and English dates, clock times, and words like "3 days ago"."""
    mentions = [
        TimeMention(text=text, value=value, relative=relative, chunk_id=passage.id)
        for passage in given.passages
        for text, value, relative in _told(passage.text, passage.created_at.date())
    ]
    return Times(mentions=tuple(mentions))


@lru_cache(REMEMBERED)
def _told(text: str, said: date) -> tuple[tuple[str, str, bool], ...]:
    """Return the words of each time, what they mean, and whether that depends on `said`."""
    if not _PROMISING.search(text):
        return ()
    taken: set[int] = set()
    found: list[tuple[int, tuple[str, str, bool]]] = []
    for pattern, meaning in _RULES:
        for match in pattern.finditer(text):
            place = range(*match.span())
            if taken.intersection(place) or (value := meaning(match, said)) is None:
                continue
            taken.update(place)
            # A clock time is no date; a date whose year was not said was told from the passage's.
            relative = value[:4].isdigit() and value[:4] not in match[0]
            found.append((match.start(), (_plain(match[0]), value, relative)))
    seen = sorted(found, key=lambda pair: pair[0])
    return tuple(dict.fromkeys(told for _, told in seen))


class _Named(Answer):
    words: str = Field(min_length=1, max_length=60)
    date: str = Field(max_length=10)
    event: str = Field(max_length=120)
    excerpt: int


class TimesAnswer(Answer):
    """What a model found."""

    found: list[_Named] = Field(max_length=5)


def _read(given: Reading, reply: TimesAnswer) -> Worked[Times]:
    """Keep the dates that exist, of words that stand in the passage that is named."""
    kept: list[TimeMention] = []
    for one in reply.found:
        for passage in cited([one.excerpt], given.passages):
            if one.words.casefold() in passage.text.casefold() and _exists(one.date):
                relative = one.date[:4] not in one.words
                kept.append(
                    TimeMention(
                        text=_plain(one.words),
                        value=one.date,
                        relative=relative,
                        chunk_id=passage.id,
                        event=" ".join(one.event.split()),
                    )
                )
    left = len(reply.found) - len(kept)
    note = f"{left} of {len(reply.found)} times stand in no excerpt: left out." if left else ""
    return Worked(found=Times(mentions=tuple(kept)), note=note)


def _exists(value: str) -> bool:
    if not re.fullmatch(r"\d{4}(-\d{2}){0,2}", value):
        return False
    try:
        date.fromisoformat(f"{value}-01-01"[:10])
    except ValueError:
        return False
    return True


SPEC = ModuleSpec(
    name="times",
    description=(
        "Finds the dates, times, durations and order of events in the passages kept, and "
        "resolves words such as yesterday or next month by the day on which they were said. "
        "Pays when the query asks when something happened, how long, how often, what came "
        "before or after, or what holds now."
    ),
)
RETURNS = Outcome[Times]
ASKED: Question[Reading, TimesAnswer, Times] = Question(
    name="times",
    reply=TimesAnswer,
    passages=lambda given: given.passages,
    query=lambda given: given.query,
    read=_read,
)
