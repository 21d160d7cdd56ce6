"""What a quantity measures, so that only like is compared with like.

Days and weeks are one dimension and two weeks are 14 days; euros and dollars are two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..sentences import STOP_WORDS, stem
from .quantities import Quantity

_UNITS: dict[str, tuple[str, Fraction]] = {
    spelling: (dimension, Fraction(factor))
    for dimension, units in {
        "duration": {
            "1": "second seconds sec s sekunden",
            "60": "minute minutes min mins minuten",
            "3600": "hour hours h hr hrs stunden",
            "86400": "day days tag tage tagen werktage",
            "604800": "week weeks woche wochen",
            "2629800": "month months monat monate monaten",
            "31557600": "year years jahr jahre jahren",
        },
        "mass": {
            "1/1000000": "mg",
            "1/1000": "g gram grams",
            "1": "kg kilo kilos",
            "1000": "t tons",
        },
        "length": {
            "1/1000": "mm",
            "1/100": "cm",
            "1": "m metre metres meter meters metern",
            "1000": "km kilometres kilometers",
            "1609": "mile miles",
        },
        "volume": {"1/1000": "ml", "1/100": "cl", "1": "l litre litres liter liters"},
        "data": {"1": "kb", "1000": "mb", "1000000": "gb", "1000000000": "tb"},
        "temperature": {"1": "c celsius degrees grad"},
        "area": {"1": "m² sqm", "10000": "ha hectare hectares hektar", "1000000": "km²"},
        "energy": {"1": "kcal calorie calories kalorien"},
    }.items()
    for factor, spellings in units.items()
    for spelling in spellings.split()
}
_JOINT = re.compile(r"\s*(?:-|–|to|and|or|x|bis|und|oder)\s*")
_PER = re.compile(r"\b(?:per|every|each|je|pro|alle)\s*$")
_EVERY = re.compile(r"\b(?:every|alle)\s*$", re.IGNORECASE)
_SPEED = re.compile(r"\s*(?:/\s*h|per hour)\b")
_SQUARE = ("square", "sq")
_MATTER = re.compile(r"\s*of\s+([^\W\d_]+)")
_AFTER = re.compile(r"\s*°?\s*([^\W\d_]+)(?:\s+([^\W\d_]+))?")
_MONTH = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Januar|Februar|März|Mai|Juni|Juli|Oktober|Dezember)\b"
)
_WEEKDAY = re.compile(
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch)s?\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Measure:
    """A value on a dimension: `duration` (seconds), `EUR`, `date`, `mass of salt`."""

    dimension: str
    value: Fraction | str
    text: str

    def comparable(self, other: Measure) -> bool:
        """Return whether both measure the same; what it is of may be left unsaid."""
        one, two = sorted((self.dimension, other.dimension), key=len)
        return one == two or (two.startswith(f"{one} of ") and not one.startswith("count"))

    def agrees(self, other: Measure) -> bool:
        """Return whether both say the same value; dates do unless a part given by both differs."""
        left, right = _parts(self.value), _parts(other.value)
        if self.dimension != "date" or not left or not right:
            return self.value == other.value
        return all(a == b for a, b in zip(left, right, strict=True) if a and b)


def measures(text: str, found: Sequence[Quantity]) -> tuple[Measure, ...]:
    """Return what is measured in `text`, whose quantities are `found`.

    Goes from its end to its beginning; then come days and months.
    """
    made: list[Measure] = []
    dimension, factor, begin, end = "", Fraction(1), -1, -1
    for quantity in reversed(found):
        after, tail = (dimension, factor), end
        joined = begin >= 0 and _JOINT.fullmatch(text, quantity.end, begin)
        dimension, factor, end = _dimension(text, quantity)
        if joined and dimension in ("number", "date") and quantity.key.startswith("n:"):
            # In "5 to 7 days" the 5 counts days too.
            (dimension, factor), end = after, tail
        begin = quantity.start
        before = text[max(0, begin - 8) : begin]
        if dimension == "duration" and _EVERY.search(before):
            made.append(Measure("interval", _value(quantity.key, factor), text[begin:end].strip()))
            continue
        if _PER.search(before) or not (quantity.required or factor != 1):
            continue
        made.append(Measure(dimension, _value(quantity.key, factor), text[begin:end].strip()))
    days = (
        Measure("weekday", day[0].casefold().rstrip("s"), day[0]) for day in _WEEKDAY.finditer(text)
    )
    months = (
        Measure("month", month[0], month[0])
        for month in _MONTH.finditer(text)
        if not any(quantity.start <= month.start() < quantity.end for quantity in found)
    )
    return (*made, *days, *months)


def is_calendar(text: str) -> bool:
    """Return whether `text` is a weekday or a month alone."""
    return bool(_WEEKDAY.fullmatch(text) or _MONTH.fullmatch(text.capitalize()))


def _dimension(text: str, quantity: Quantity) -> tuple[str, Fraction, int]:
    """Return the dimension, the factor to its base unit, and where number and unit end."""
    kind, _, rest = quantity.key.partition(":")
    if kind in ("d", "t"):
        return ("date" if kind == "d" else "time"), Fraction(1), quantity.end
    if " " in rest:
        return rest.split(" ", 1)[1], Fraction(1), quantity.end
    after = _AFTER.match(text, quantity.end)
    for group in (1, 2) if after else ():
        word = (after[group] if after else None) or ""
        if not word or word.casefold() in STOP_WORDS:
            break
        if after and word.casefold() in _UNITS and (group == 1 or len(word) > 2):
            dimension, factor = _UNITS[word.casefold()]
            if dimension == "length" and _SPEED.match(text, after.end(group)):
                return "speed", factor, after.end(group)
            if dimension == "length" and group == 2 and after[1].casefold() in _SQUARE:
                return "area", factor * factor, after.end(group)
            matter = _MATTER.match(text, after.end(group))
            if matter and dimension not in ("duration", "length"):
                dimension += f" of {stem(matter[1].casefold())}"
            return dimension, factor, after.end(group)
    counted = after[1].casefold() if after else ""
    if counted and counted not in STOP_WORDS:
        return f"count of {stem(counted)}", Fraction(1), quantity.end
    year = re.fullmatch(r"1[5-9]\d\d|20\d\d", rest)
    return "date" if year else "number", Fraction(1), quantity.end


def _value(key: str, factor: Fraction) -> Fraction | str:
    number = re.fullmatch(r"n:([-−]?\d+(?:\.\d+)?(?:/\d+)?)(?: .*)?", key)
    if number and len(number[1]) <= 40:
        return Fraction(number[1].replace("−", "-")) * factor
    return key


def _parts(value: Fraction | str) -> tuple[str, str, str] | None:
    if isinstance(value, Fraction):
        return (str(value), "", "") if value.denominator == 1 and 1500 <= value < 2100 else None
    date = re.fullmatch(r"d:(?:(\d{4})-)?(\d\d)(?:-(\d\d))?", value)
    return (date[1] or "", date[2], date[3] or "") if date else None
