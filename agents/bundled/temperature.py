"""The temperature agent: Celsius, Fahrenheit and Kelvin, exactly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from .calculator import figure
from .wording import NUMBER, clauses, clean, digits, spelled

Scale = Literal["C", "F", "K"]
ZERO_K = Decimal("273.15")
"""Source: the definition of the degree Celsius, 0 °C = 273.15 K."""

_NAMES: dict[Scale, str] = {"C": "°C", "F": "°F", "K": "K"}
_WORD = r"cel[sc]ius|celsuis|centigrades?|fah?renheits?|farh?enheits?|kelvins?"
_DEGREES = r"(?:°|º|degrees?|degs?\.?)"
_SOURCE = re.compile(
    rf"(?<![\w.])(?P<sign>-|minus )?(?P<number>{NUMBER}) ?(?:{_DEGREES} ?)?"
    rf"(?P<scale>{_WORD}|[cfk])\b",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"(?<![\w.])(?P<sign>-|minus )?(?P<number>{NUMBER}) ?{_DEGREES}(?! ?\w*(?:{_WORD}))",
    re.IGNORECASE,
)
_TARGET = re.compile(
    rf"\b(?:{_WORD})\b|(?:(?:\b(?:to|in|into|as)|=) ?{_DEGREES}? ?|{_DEGREES} ?)"
    r"(?P<letter>[cfk])\b",
    re.IGNORECASE,
)
_PEOPLE = re.compile(r"\b(?:(?P<F>americans?)|(?P<C>europe(?:ans?)?|metric))\b", re.IGNORECASE)
_COMPARED = re.compile(
    r"\b(?:same|equals?|than|as \w+ as|or)\b|\b(?:warmer|hotter|colder|cooler)\b", re.IGNORECASE
)
_ABSOLUTE_ZERO = re.compile(r"\babsolute (?:zero|0)\b", re.IGNORECASE)
_PAIR = re.compile(
    rf"\b(?P<scale>{_WORD}|[cfk]) (?:to|into|in) (?P<target>{_WORD}|[cfk])\b ?[:,]? ?"
    rf"(?P<sign>-|minus )?(?P<number>{NUMBER})(?!\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A temperature as it was written."""

    number: Decimal
    scale: Scale

    def told(self) -> str:
        """Return e.g. '21 °C'."""
        return f"{figure(self.number)} {_NAMES[self.scale]}"


def temperature(query: str) -> str | None:
    """Return the temperatures in `query` in the scale asked for, or None if none is asked for."""
    text = _plain(query)
    answers = [answer for clause in clauses(text) for answer in _answers(clause)]
    # "It's 95 fahrenheit. What is that in celsius?" has its parts in two clauses.
    answers = answers or _answers(text)
    return " ".join(dict.fromkeys(answers)) or None


def _plain(query: str) -> str:
    """Return the query with digits, 'five below zero' as -5, and a preposition for each target."""
    text = digits(spelled(clean(query), "temperature"))
    below = rf"({NUMBER})( ?{_DEGREES})?( {_WORD})? below (?:0|zero)\b"
    text = re.sub(below, r"-\1 degrees\3", text, flags=re.IGNORECASE)
    several = rf"\b((?:in|to|into|as) {_DEGREES}? ?[cfk]) (?:and|or|&) ({_DEGREES}?[cfk])\b"
    return re.sub(several, r"\1 in \2", text, flags=re.IGNORECASE)


def _answers(clause: str) -> list[str]:
    if pair := _PAIR.search(clause):
        scale, target = _scale(pair["scale"]), _scale(pair["target"])
        reading = Reading(number=_number(pair), scale=scale)
        return [_told(reading, target)] if scale != target else []
    sources = list(_SOURCE.finditer(clause))
    rest = _SOURCE.sub(lambda match: " " * len(match[0]), clause)
    targets = [_scale(match["letter"] or match[0]) for match in _TARGET.finditer(rest)]
    found = [(_number(match), _scale(match["scale"])) for match in sources]
    if _ABSOLUTE_ZERO.search(clause) and not found:
        return _absolute_zero(targets)
    targets = targets or _implied(clause, [scale for _, scale in found])
    if not targets:
        return []
    found = found or [(_number(match), _other(targets[0])) for match in _BARE.finditer(rest)]
    return [
        _told(Reading(number=number, scale=scale), target)
        for number, scale in found
        for target in dict.fromkeys(targets)
        if target != scale
    ]


def _implied(clause: str, scales: list[Scale]) -> list[Scale]:
    """Return the scale that is meant without its name: for an American, the same as 40 °C."""
    if len(scales) == 2 and _COMPARED.search(clause):
        return [scales[1]]
    if scales and (people := _PEOPLE.search(clause)):
        return ["F" if people["F"] else "C"]
    if len(scales) == 1 and scales != ["K"] and re.match(r"\W*convert\b", clause, re.IGNORECASE):
        return [_other(scales[0])]
    return []


def _absolute_zero(targets: list[Scale]) -> list[str]:
    readings = {scale: from_kelvin(Decimal(0), scale) for scale in targets or _NAMES}
    said = [Reading(number=number, scale=scale).told() for scale, number in readings.items()]
    return [f"Absolute zero is {' or '.join(said)}."]


def _number(match: re.Match[str]) -> Decimal:
    return Decimal(match["number"]) * (-1 if match["sign"] else 1)


def _scale(word: str) -> Scale:
    first = word.strip(" °º").lower()[:1]
    return "C" if first == "c" else "F" if first == "f" else "K"


def _other(scale: Scale) -> Scale:
    return "F" if scale == "C" else "C"


def _told(reading: Reading, target: Scale) -> str:
    kelvin = to_kelvin(reading)
    if kelvin < 0:
        return f"{reading.told()} lies below absolute zero (-273.15 °C), so there is no such value."
    result = from_kelvin(kelvin, target)
    rounded = round(result, 2)
    about = "" if rounded == result else "about "
    return f"{reading.told()} is {about}{figure(rounded)} {_NAMES[target]}."


def to_kelvin(reading: Reading) -> Decimal:
    """Return the reading in Kelvin."""
    if reading.scale == "K":
        return reading.number
    celsius = reading.number if reading.scale == "C" else (reading.number - 32) * 5 / 9
    return celsius + ZERO_K


def from_kelvin(kelvin: Decimal, scale: Scale) -> Decimal:
    """Return a temperature in Kelvin on another scale."""
    if scale == "K":
        return kelvin
    celsius = kelvin - ZERO_K
    return celsius if scale == "C" else celsius * 9 / 5 + 32
