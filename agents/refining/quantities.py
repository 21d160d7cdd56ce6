"""Numbers, amounts, dates and times in a text, in one form each: `1,234.50` is `1234.5`.

A key says what is meant: `n:1234.5`, `n:15 %`, `n:20 EUR`, `d:2026-04-15`, `d:04-15`, `t:14:30`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

_MONTHS = (
    "(?-i:(?=[A-Z]))(?:jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz|apr(?:il)?|ma[yi]|jun[ei]?"
    "|jul[yi]?|aug(?:ust)?|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)"
)
_MONTH_NAMES = ("jan", "feb", "mar mär", "apr", "may mai", "jun", "jul", "aug", "sep", "oct okt")
_MONTH_NUMBER = {
    name: number
    for number, names in enumerate((*_MONTH_NAMES, "nov", "dec dez"), 1)
    for name in names.split()
}
_ONES = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
)
_SMALL = {word: number for number, word in enumerate(_ONES.split(), 1)}
_DECADES = "twenty thirty forty fifty sixty seventy eighty ninety"
_TENS = {word: 10 * number for number, word in enumerate(_DECADES.split(), 2)}
_SCALES = {"hundred": 100, "k": 10**3, "thousand": 10**3, "m": 10**6, "million": 10**6}
_SCALES |= {"bn": 10**9, "billion": 10**9}
_UNITS = {
    spelling: unit
    for unit, spellings in {
        "%": "% percent pct prozent",
        "EUR": "€ eur euro euros",
        "USD": "$ us$ usd dollar dollars",
        "GBP": "£ gbp pound pounds",
        "CHF": "chf",
        "JPY": "¥ jpy yen",
        "SEK": "kr sek",
    }.items()
    for spelling in spellings.split()
}
_SPACE = r"[^\S\n\r]"
_DIGITS = (
    r"\d{1,3}(?:[\u00a0\u202f\u2009]\d{3})+(?:[.,]\d+)?(?!\d)"  # 1 234 567
    r"|\d+(?:\.\d+){2,}"  # 2.3.1
    r"|\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])"  # 1,234.50
    r"|\d{1,3}(?:\.\d{3})+,\d+(?!\d)"  # 1.234,50
    r"|\d+,\d{1,2}(?![\d,])"  # 8,90
    r"|\d+(?:\.\d+)?"
)
_SMALL_WORDS = "|".join(sorted(_SMALL, key=len, reverse=True))
_WORDS = rf"(?:{'|'.join(_TENS)})(?:-(?:{_SMALL_WORDS}))?|{_SMALL_WORDS}"
_PATTERN = re.compile(
    rf"""
    (?=[\d€$£¥−-]|\b[a-z])  # no other place is tried in all ways
    (?: (?<!\d)(?P<year>\d{{4}})-(?P<month>\d{{1,2}})-(?P<day>\d{{1,2}})(?!\d)
    | (?<![\d.])(?P<day2>\d{{1,2}})\.(?P<month2>\d{{1,2}})\.(?P<year2>\d{{4}})(?!\d)
    | (?<![\d.,:])(?P<day3>\d{{1,2}})(?:st|nd|rd|th|\.)?{_SPACE}+(?:of{_SPACE}+)?
        (?P<month3>{_MONTHS})\b(?:\.?,?{_SPACE}+(?P<year3>\d{{4}})(?![\d:]|[.,]\d))?
    | \b(?P<month4>{_MONTHS})\b\.?{_SPACE}+(?P<day4>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:]|[.,]\d)
        (?:,?{_SPACE}+(?P<year4>\d{{4}})(?![\d:]|[.,]\d))?
    | \b(?P<month5>{_MONTHS})\b\.?,?{_SPACE}+(?P<year5>\d{{4}})(?![\d:]|[.,]\d)
    | (?<![\d:.,])(?P<hour>\d{{1,2}}):(?P<minute>\d{{2}})(?!\d|:\d)
        (?:{_SPACE}*(?P<half>[ap])\.?m\b)?
    | (?<![\d:.,])(?P<hour2>\d{{1,2}})(?:\.(?P<minute2>\d{{2}}))?{_SPACE}*(?P<half2>[ap])\.?m\b
    | (?:(?P<prefix>€|(?:\bus)?\$|£|¥|\b(?:eur|usd|gbp|chf|sek|jpy)(?=[\s\d])){_SPACE}?)?
        (?:(?P<sign>(?<![\w.,:)\]-])[-−])?(?P<digits>{_DIGITS})
            |(?<![\w-])(?P<word>{_WORDS})(?![\w-]))
        (?:(?:st|nd|rd|th)\b|{_SPACE}?(?P<scale>hundred|thousand|million|billion|(?-i:k|K|M|bn))\b)?
        (?:{_SPACE}?(?P<suffix>%|€|\$|£|(?:percent|pct|prozent|euros?|eur|dollars?|usd|pounds?|gbp
            |chf|yen|jpy|kr|sek)\b))?
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number, date or time. `weaker` are the keys of lesser statements that it supports too.

    `required` is False for the word `one`, which is mostly no number.
    """

    key: str
    weaker: tuple[str, ...]
    text: str
    start: int
    end: int
    required: bool = True


def quantities(text: str) -> tuple[Quantity, ...]:
    """Return the quantities of `text` in the order in which they stand."""
    found = []
    for match in _PATTERN.finditer(text):
        given = {name.rstrip("2345"): value for name, value in match.groupdict().items() if value}
        key, weaker = _key(given) or _literal(match[0])
        found.append(
            Quantity(
                key=key,
                weaker=weaker,
                text=match[0].strip(),
                start=match.start(),
                end=match.end(),
                required=given.get("word", "").casefold() != "one",
            )
        )
    return tuple(found)


def _key(given: dict[str, str]) -> tuple[str, tuple[str, ...]] | None:
    if "month" in given:
        return _date(given)
    if "hour" in given:
        return _time(given)
    return _number(given)


def _literal(text: str) -> tuple[str, tuple[str, ...]]:
    """Key of what looks like a date or time and is none, such as 25:70."""
    return f"x:{''.join(text.casefold().split())}", tuple(
        _plain(n) for n in re.findall(r"\d+", text)
    )


def _date(given: dict[str, str]) -> tuple[str, tuple[str, ...]] | None:
    name = given["month"]
    month = int(name) if name.isdigit() else _MONTH_NUMBER[name[:3].casefold()]
    day, year = given.get("day"), given.get("year")
    try:
        # 2000 is a leap year, so that 29 February without a year is a date.
        date(int(year or 2000), month, int(day or 1))
    except ValueError:
        return None
    numbers = tuple(_plain(n) for n in (year, day) if n)
    if not day:
        return f"d:{year}-{month:02}", numbers
    short = f"d:{month:02}-{int(day):02}"
    if not year:
        return short, numbers
    return f"d:{year}-{short[2:]}", (short, f"d:{year}-{month:02}", *numbers)


def _time(given: dict[str, str]) -> tuple[str, tuple[str, ...]] | None:
    hour, minute = int(given["hour"]), int(given.get("minute", 0))
    half = given.get("half", "").casefold()
    if minute > 59 or hour > (12 if half else 24):
        return None
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"t:{hour:02}:{minute:02}", ()


def _number(given: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    word = given.get("word", "").casefold()
    scale = _SCALES.get(given.get("scale", "").casefold(), 1)
    digits = given.get("digits", "")
    if word:
        tens, _, ones = word.partition("-")
        value = _TENS.get(tens, 0) + _SMALL.get(ones or tens, 0)
        key = _plain(str(value * scale))
    else:
        key = _plain(digits, scale, "-" if "sign" in given else "")
    unit = _UNITS.get((given.get("suffix") or given.get("prefix") or "").casefold())
    return (f"{key} {unit}", (key,)) if unit else (key, ())


def _plain(digits: str, scale: int = 1, sign: str = "") -> str:
    """Return the key of a number as it is written with separators."""
    text = re.sub(r"\s", "", digits)
    if text.count(".") > 1 and "," not in text:
        return f"n:{sign}{text}"  # a version or an address
    if re.search(r"\.\d{3},|,\d{1,2}$", text) and not re.search(r",\d{3}\.", text):
        text = text.replace(".", "").replace(",", ".")
    text = text.replace(",", "")
    if len(text) > 40:
        return f"n:{sign}{text}"
    value = Fraction(text) * scale
    if value.denominator == 1:
        return f"n:{sign if value else ''}{value}"
    whole, _, rest = text.partition(".")
    return f"n:{sign}{value}" if scale > 1 else f"n:{sign}{int(whole)}.{rest.rstrip('0')}"
