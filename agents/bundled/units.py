"""The unit agent: lengths, masses, volumes, speeds, areas, times, data, energy; temperatures too.

pint knows the factors; the words of the units are a table of ours, so that "kilos" and "tbsp" are
known and a word of the query that only looks like a unit is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

from ...values import AgentResult
from .calculator import figure
from .temperature import temperature
from .wording import NUMBER, alternatives, clauses, clean, declined, digits, spelled, table

MAX_WISHES = 5
_DIGITS = Context(prec=24)
"""What Decimal's 28 digits leave exact after a few steps of conversion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit: its name in pint, and the words for one and for many of it."""

    pint: str
    one: str
    many: str

    def of(self, amount: str) -> str:
        """Return e.g. '5 miles'."""
        return f"{amount} {self.one if amount == '1' else self.many}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A conversion that is asked for: amounts to be added up, and the units of the answer."""

    amounts: tuple[tuple[Decimal, Unit], ...]
    targets: tuple[Unit, ...]


def units(query: str) -> str | AgentResult | None:
    """Return the conversions asked for in `query`, or None if there are none."""
    text = _fractions(digits(_feet_and_inches(spelled(clean(query), "units"))))
    parts = clauses(text)
    wishes = [wish for clause in parts for wish in _wishes(clause)]
    wishes = wishes or list(_wishes(re.sub(r"[.!?] ", ", ", text)))
    told = list(dict.fromkeys(_told(wish) for wish in wishes[:MAX_WISHES]))
    done = [answer for answer, fits in told if fits]
    if degrees := temperature(query):
        done.append(degrees)
    if done:
        return " ".join(done)
    return declined("units", told[0][0]) if told else None


def _feet_and_inches(text: str) -> str:
    bare = r"(\d+) ?(?:foot|feet|ft) (\d{1,2}(?:\.\d+)?)\b(?! ?(?:inch|\"|'|[a-z]*met|cm|m\b|%|/))"
    text = re.sub(bare, r"\1 feet \2 inches", text, flags=re.IGNORECASE)
    return re.sub(r"(\d+) ?' ?(\d+(?:\.\d+)?) ?(?:\"|'')", r"\1 feet \2 inches", text)


def _fractions(text: str) -> str:
    """Write fractions before a unit as decimals: 'half a mile' is '0.5 mile', '2 1/2 cups' 2.5."""
    text = re.sub(r"\b(\d+) and (?:an? |1 )?half\b(?: an? )?", r"\1.5", text, flags=re.IGNORECASE)
    text = _VULGAR.sub(_decimal, text)
    for words, decimal in _PARTS.items():
        part = rf"\b{words}(?: of an? | of 1 | an? |[ -])(?=(?:{alternatives(_words())})\b)"
        text = re.sub(part, f"{decimal} ", text, flags=re.IGNORECASE)
    return text


_VULGAR = re.compile(r"(?<![\w./])(?:(\d{1,4})(?: and)? )?(\d)/([234568])(?![\w/])")
_PARTS = {
    r"(?:3|three)[ -]quarters?": "0.75",
    r"(?:an? |1 )?quarter": "0.25",
    r"(?:an? |1 )?half": "0.5",
}


def _decimal(match: re.Match[str]) -> str:
    number = int(match[1] or 0) + Decimal(match[2]) / Decimal(match[3])
    return f"{round(number, 12).normalize():f}"


# Reading ---------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _words() -> dict[str, Unit]:
    words: dict[str, Unit] = {}
    for pint_name, one, many, *others in table("units")["units"]:
        unit = Unit(pint=pint_name, one=one, many=many)
        words |= {word.lower(): unit for word in (one, many, *others)}
    return words


@lru_cache(maxsize=1)
def _patterns() -> dict[str, re.Pattern[str]]:
    unit = rf"(?:{alternatives(_words())})(?![\w/²³^])"
    # "in" is inches only after a number and before another word of direction: 12 in to cm.
    amount = rf"(?<![\w.:/-])-?{NUMBER} ?(?:{unit}|in(?= (?:to|in|into|as)\b| ?(?:[,.?]|$)))"
    amounts = rf"(?P<from>{amount}(?>(?:(?: and|,)? {amount}){{0,3}}))"
    one = rf"(?P<from>\b(?:an?|1|per) (?P<bare>{unit}))"
    into = rf"(?<!\w)(?P<into>{unit}(?: (?:and|&) {unit})?)"
    gap = r"[^.?!;]{0,60}?"
    forms = {
        "amount into": rf"{amounts},?{gap}(?:\b(?:to|in|into|as)|=) (?:how many |the )?{into}",
        "how many in": rf"\b(?:how (?:many|much)|number of) {into} {gap}{amounts}",
        "how many in one": rf"\b(?:how (?:many|much)|number of) {into} {gap}{one}",
        "one into": rf"{one},?{gap}(?:\b(?:to|in|into|as)|=) (?:how many |the )?{into}",
        "amount, how many": rf"{amounts}{gap}\bhow many {into}",
        "one, how many": rf"{one}{gap}\bhow many {into}",
        "into from": rf"{into}(?: (?:in|from|of|for|are in|is|are|=)|:) {amounts}",
        "compared": rf"{amounts}(?=[ ,]){_COMPARED}{NUMBER} ?{into}",
        "system": rf"{amounts}{gap}\b(?P<system>metric|imperial)\b"
        rf"|\b(?P<other>metric|imperial)\b{gap}{amounts.replace('from', 'of')}",
    }
    compiled = {name: re.compile(form, re.IGNORECASE) for name, form in forms.items()}
    compiled["amount"] = re.compile(rf"(-?{NUMBER}) ?({unit}|in\b)", re.IGNORECASE)
    compiled["unit"] = re.compile(unit, re.IGNORECASE)
    return compiled


_COMPARED = r"[^.?!;]{0,40}?\b(?:same as|equal to|as \w+ as|than|equals?)\b(?: only| just)? "
_FORMS = (
    "how many in",
    "amount into",
    "how many in one",
    "one into",
    "amount, how many",
    "one, how many",
    "into from",
    "compared",
    "system",
)


def _wishes(clause: str) -> Iterator[Wish]:
    """Yield the wishes of the first form that fits; a mismatch of measures only if none does."""
    patterns = _patterns()
    refused: list[Wish] = []
    for name in _FORMS:
        wishes = [wish for match in patterns[name].finditer(clause) if (wish := _wish(match))]
        granted = [wish for wish in wishes if _told(wish)[1]]
        if granted:
            yield from granted
            return
        refused += wishes
    yield from refused


def _wish(match: re.Match[str]) -> Wish | None:
    patterns, words = _patterns(), _words()
    parts = match.groupdict()
    if parts.get("bare"):
        amounts = [(Decimal(1), words[parts["bare"].lower()])]
    else:
        amounts = [
            (Decimal(number), words["inch" if word.lower() == "in" else word.lower()])
            for number, word in patterns["amount"].findall(parts["from"] or parts["of"])
        ]
    if system := parts.get("system") or parts.get("other"):
        counterparts = table("units")[system.lower()]
        names = [counterparts[unit.one] for _, unit in amounts[:1] if unit.one in counterparts]
    else:
        names = patterns["unit"].findall(parts["into"])
    targets = [words[name.lower()] for name in names]
    if not amounts or not targets or [unit for _, unit in amounts] == targets:
        return None
    return Wish(amounts=tuple(amounts), targets=tuple(targets))


# Converting ------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _registry() -> Any:
    from pint import UnitRegistry

    return UnitRegistry(non_int_type=Decimal)


def converted(amount: Decimal, unit: str, target: str) -> Decimal:
    """Return `amount` of pint's `unit` in `target`.

    Raises:
        ValueError: the two do not measure the same thing.
    """
    from pint import DimensionalityError

    registry = _registry()
    try:
        result = registry.Quantity(amount, unit).to(target).magnitude
    except DimensionalityError as error:
        raise ValueError(f"{unit} is no {target}") from error
    return Decimal(result)


def _told(wish: Wish) -> tuple[str, bool]:
    """Return the answer to a wish, and whether it could be granted."""
    said = " ".join(unit.of(figure(number)) for number, unit in wish.amounts)
    try:
        base = wish.amounts[0][1]
        total = sum(
            (converted(number, unit.pint, base.pint) for number, unit in wish.amounts), Decimal(0)
        )
        first = converted(total, base.pint, wish.targets[0].pint)
        if len(wish.targets) == 1:
            result, exact = _rounded(first)
            answer = wish.targets[0].of(result)
        else:
            answer, exact = _mixed(first, *wish.targets)
    except ValueError:
        names = " and ".join(unit.many for unit in wish.targets)
        return f"{said} can't be told in {names}: they measure different things.", False
    single = len(wish.amounts) == 1 and wish.amounts[0][0] == 1
    verb = "is" if single else "are"
    return f"{said} {verb} {'' if exact else 'about '}{answer}.", True


def _mixed(amount: Decimal, large: Unit, small: Unit) -> tuple[str, bool]:
    """Return the amount in whole large units and the rest in small ones: feet and inches."""
    whole = Decimal(int(amount))
    rest = converted(amount - whole, large.pint, small.pint)
    limit = converted(Decimal(1), large.pint, small.pint)
    shown, exact = _rounded(rest)
    if Decimal(shown) >= limit:
        whole, shown = whole + 1, "0"
    return f"{large.of(figure(whole))} {small.of(shown)}", exact


def _rounded(number: Decimal) -> tuple[str, bool]:
    """Return the number with two decimals, small ones with four digits, and whether it is exact."""
    tidy = +number.normalize(_DIGITS)
    if tidy.adjusted() >= 20 or (tidy and tidy.adjusted() < -8):
        return f"{tidy:.4g}", Decimal(f"{tidy:.4g}") == tidy
    result = round(tidy, 2 if abs(tidy) >= 1 or not tidy else 3 - tidy.adjusted())
    return figure(result), result == tidy
