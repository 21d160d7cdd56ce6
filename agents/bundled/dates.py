"""The agent of dates: spans between them, days after and before, weekdays, weeks, leap years.

What is found in the query is marked first, dates as <d0>, months as <m0>, spans of time as <s0>;
the wishes are then short patterns over these marks (`data/dates.yaml`).
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache

from .date_arithmetic import distance, moved, plural
from .date_texts import FoundDate, find_dates, told
from .wording import clean, digits, spelled, table, without_quotes

MAX_WISHES = 5
_SPAN = re.compile(
    r"\b(?P<count>\d{1,6}|an?)\s+(?P<working>(?:working|business|work|week)[ -]?)?"
    r"(?P<unit>day|week|fortnight|month|quarter|year|decade)s?\b",
    re.IGNORECASE,
)


def dates(query: str) -> str | None:
    """Return the answers to the wishes about dates in `query`, or None if there are none."""
    return answer(query, today=datetime.now().astimezone().date())


def answer(query: str, *, today: date) -> str | None:
    """Return what `dates` returns, on a given day."""
    text = spelled(digits(without_quotes(clean(query))), "dates")
    marked = Marked(_leap_wording(text, today), today)
    replies: list[tuple[int, str]] = []
    text = marked.text
    for name, pattern in _wishes():
        for match in pattern.finditer(text):
            try:
                reply = _REPLIES[name](marked, match)
            except (OverflowError, ValueError):
                reply = "That lies outside the calendar that I know (years 1 to 9999)."
            replies.append((match.start(), reply))
            # An answered wish is blanked, so that no later pattern answers it again.
            blank = " " * len(match[0])
            text = text[: match.start()] + blank + text[match.end() :]
    unique = dict.fromkeys(reply for _, reply in sorted(replies, key=lambda pair: pair[0]))
    return " ".join(list(unique)[:MAX_WISHES]) or None


def _leap_wording(text: str, today: date) -> str:
    """Write a leap year's wish as one: 'does 2100 have a 29 February', 'is next year ...'."""
    for pattern in _LEAP_DAY:
        text = pattern.sub(r"leap day in \g<year>", text)
    if not re.search(r"\bleap\b", text, re.IGNORECASE):
        return text
    for turn, ahead in (("last", -1), ("this", 0), ("next", 1)):
        text = re.sub(rf"\b{turn} year\b", str(today.year + ahead), text, flags=re.IGNORECASE)
    return text


_LEAP_FEBRUARY = r"(?:29(?:th)?(?: of)? feb(?:ruary)?|feb(?:ruary)?(?: the)? 29(?:th)?)\b"
_LEAP_DAY = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?P<year>[12]\d{{3}})\b(?: have| has| had| with| got| get)*(?: an?| the| any)?"
        rf" {_LEAP_FEBRUARY}",
        rf"\b(?:there|exist)\b(?: be)?(?: an?| the)? {_LEAP_FEBRUARY}"
        r",? (?:in |of )?(?P<year>[12]\d{3})\b",
        rf"\b{_LEAP_FEBRUARY} (?:in|of) (?P<year>[12]\d{{3}})\b",
    )
)


class Marked:
    """A query in lower case whose dates and spans of time are replaced by marks."""

    def __init__(self, text: str, today: date) -> None:
        self.today = today
        self.found: list[FoundDate] = find_dates(text, today)
        self._spans: list[re.Match[str]] = []
        for number, found in reversed(list(enumerate(self.found))):
            kind = "m" if found.precision == "month" else "n" if found.named else "d"
            text = f"{text[: found.start]}<{kind}{number}>{text[found.end :]}"
        self.text = _SPAN.sub(self._mark, text).lower()

    def _mark(self, match: re.Match[str]) -> str:
        self._spans.append(match)
        return f"<s{len(self._spans) - 1}>"

    def day(self, mark: str | None) -> date:
        """Return the date behind a mark; no mark means today."""
        return self.found[int(mark[2:-1])].day if mark else self.today

    def coming(self, mark: str) -> date:
        """Return the date behind a mark: the next one where the text names no year."""
        found = self.found[int(mark[2:-1])]
        if found.whole or found.day >= self.today:
            return found.day
        return found.next_year()

    def shifted(self, start: date, marks: str, sign: int) -> tuple[date, str]:
        """Return the day that lies the marked spans after or before `start`, and their wording."""
        words = []
        for number in re.findall(r"<s(\d+)>", marks):
            span = self._spans[int(number)]
            words.append(span[0])
            count = sign * (int(span["count"]) if span["count"].isdigit() else 1)
            start = moved(start, count, span["unit"].lower(), working=bool(span["working"]))
        return start, " and ".join(words)


@lru_cache(maxsize=1)
def _wishes() -> list[tuple[str, re.Pattern[str]]]:
    marks = {
        "MONTH": r"<m\d+>",
        "NAMED": r"<n\d+>",
        "SPAN": r"<s\d+>(?:(?:,? and |, | )<s\d+>)*",
        "UNIT": r"(?P<unit>(?:(?:working|business|work|week)[ -]?)?days|weeks|months|years"
        r"|sleeps|nights)",
        "YEAR": r"\b[12]\d{3}\b",
        "ANY": r"(?:(?!how many|number of)[^.?!;<])*?",
    }
    wishes = []
    for name, pattern in table("dates")["wishes"]:
        # Months have no weekday, but a distance may begin or end with one.
        day = r"<[dmn]\d+>" if name in ("between", "until", "since") else r"<[dn]\d+>"
        for word, mark in {"DAY": day, **marks}.items():
            pattern = pattern.replace(word, mark)
        wishes.append((name, re.compile(pattern)))
    return wishes


# What is told ----------------------------------------------------------------------------------


def _capital(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}."


def _after(marked: Marked, match: re.Match[str]) -> str:
    start = marked.day(match["day"])
    there, words = marked.shifted(start, match["spans"], 1)
    return _capital(f"{words} after {start} is {told(there)}")


def _before(marked: Marked, match: re.Match[str]) -> str:
    start = marked.day(match["day"])
    there, words = marked.shifted(start, match["spans"], -1)
    return _capital(f"{words} before {start} is {told(there)}")


def _ahead(marked: Marked, match: re.Match[str]) -> str:
    there, words = marked.shifted(marked.today, match["spans"], 1)
    return _capital(f"{words} after today ({marked.today}) is {told(there)}")


def _ago(marked: Marked, match: re.Match[str]) -> str:
    there, words = marked.shifted(marked.today, match["spans"], -1)
    return _capital(f"{words} before today ({marked.today}) was {told(there)}")


def _between(marked: Marked, match: re.Match[str]) -> str:
    start, end = marked.day(match["one"]), marked.day(match["other"])
    found = marked.found[int(match["other"][2:-1])]
    if end < start and not found.whole:
        end = found.next_year()
    start, end = sorted((start, end))
    parts = match.groupdict()
    return _capital(distance(start, end, parts.get("in") or parts.get("unit") or "days"))


def _until(marked: Marked, match: re.Match[str]) -> str:
    there = marked.coming(match["day"])
    if there < marked.today:
        return f"{told(there)} is over. {_since(marked, match)}"
    left = distance(marked.today, there, match.groupdict().get("unit") or "days")
    return _capital(f"{left} ({told(there).partition(',')[0]})")


def _since(marked: Marked, match: re.Match[str]) -> str:
    day = marked.day(match["day"])
    if day > marked.today:
        return f"{told(day)} is still to come."
    return _capital(distance(day, marked.today, match.groupdict().get("unit") or "days"))


def _weekday(marked: Marked, match: re.Match[str]) -> str:
    day = marked.day(match["day"])
    verb = "is" if day >= marked.today else "was"
    return f"{day} {verb} a {told(day).partition(',')[0]}."


def _age(marked: Marked, match: re.Match[str]) -> str:
    from dateutil.relativedelta import relativedelta

    born, on = marked.day(match["day"]), marked.day(match.groupdict().get("other"))
    if born > on:
        return f"Someone born on {born} is not born yet on {on}."
    return f"Someone born on {born} is {plural(relativedelta(on, born).years, 'year')} old on {on}."


def _week(marked: Marked, match: re.Match[str]) -> str:
    day = marked.day(match.groupdict().get("day"))
    year, week, _ = day.isocalendar()
    return f"{day} lies in calendar week {week} of {year} (ISO 8601)."


def _day_of_year(marked: Marked, match: re.Match[str]) -> str:
    day = marked.day(match["day"])
    return f"{day} is day {day.timetuple().tm_yday} of {day.year}."


def _month_length(marked: Marked, match: re.Match[str]) -> str:
    day = marked.day(match["month"])
    count = calendar.monthrange(day.year, day.month)[1]
    return f"{calendar.month_name[day.month]} {day.year} has {count} days."


def _year_length(marked: Marked, match: re.Match[str]) -> str:
    year = int(match["year"])
    return f"{year} has {366 if calendar.isleap(year) else 365} days."


def _leap(marked: Marked, match: re.Match[str]) -> str:
    year = int(match["year"])
    verdict = "is a leap year" if calendar.isleap(year) else "is not a leap year"
    return f"{year} {verdict}: February has {calendar.monthrange(year, 2)[1]} days."


def _next_leap(marked: Marked, match: re.Match[str]) -> str:
    start = int(match["year"]) if match["year"] else marked.today.year
    found = next(year for year in range(start + 1, start + 10) if calendar.isleap(year))
    return f"The next leap year after {start} is {found}."


def _last_leap(marked: Marked, match: re.Match[str]) -> str:
    start = int(match["year"]) if match["year"] else marked.today.year
    found = next(year for year in range(start - 1, start - 10, -1) if calendar.isleap(year))
    return f"The last leap year before {start} was {found}."


_REPLIES: dict[str, Callable[[Marked, re.Match[str]], str]] = {
    "after": _after,
    "before": _before,
    "ahead": _ahead,
    "ago": _ago,
    "between": _between,
    "until": _until,
    "since": _since,
    "weekday": _weekday,
    "age": _age,
    "week": _week,
    "day_of_year": _day_of_year,
    "month_length": _month_length,
    "year_length": _year_length,
    "leap": _leap,
    "next_leap": _next_leap,
    "last_leap": _last_leap,
    "day": lambda marked, match: f"That is {told(marked.day(match['day']))}.",
    "today": lambda marked, match: f"Today is {told(marked.today)}.",
    "when": lambda marked, match: f"That is {told(marked.coming(match['day']))}.",
}
