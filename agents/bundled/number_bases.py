"""The agent of number notations: binary, octal, decimal, hexadecimal, any base to 36, Roman."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .wording import clauses, clean, digits, without_quotes

MAX_DIGITS = 400
ROMAN = 0
"""Stands for Roman numerals where else a base stands."""

_BASES = {
    r"hexa(?:decimals?)?|hexadeci\w*|hexidecimals?|hex|base[ -]?16": 16,
    r"decimals?|denary|base[ -]?10|arabic(?: numerals?| numbers?)?|normal numbers?": 10,
    r"octals?|oct|base[ -]?8": 8,
    r"binary|binaries|bin|base[ -]?2|dual": 2,
    r"roman(?: numerals?| numbers?| digits?| numeral form)?|latin numerals?": ROMAN,
}
_NAMES = {2: "binary", 8: "octal", 10: "decimal", 16: "hexadecimal", ROMAN: "Roman numerals"}
_PREFIXES = {"0x": 16, "0b": 2, "0o": 8}
_WORD = rf"(?:{'|'.join(_BASES)}|base[ -]?\d+)"
_LITERAL = r"(?P<literal>0x[0-9a-f]+|0b[01]+|0o[0-7]+)"
_SIGNS: dict[int, str] = {2: "[01]+", 8: "[0-7]+", 10: r"\d+", 16: "[0-9a-f]+"}
_ROMAN = (
    ("M", 1000), ("CM", 900), ("D", 500), ("CD", 400), ("C", 100), ("XC", 90), ("L", 50),
    ("XL", 40), ("X", 10), ("IX", 9), ("V", 5), ("IV", 4), ("I", 1),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A number as it stands in a text, and the base that it is written in."""

    text: str
    value: int
    base: int


def number_bases(query: str) -> str | None:
    """Return the numbers of `query` in the notations asked for, or None if none is asked for."""
    text = digits(without_quotes(clean(query).replace('"', " ").replace("'", " ")))
    answers = [answer for clause in clauses(text) for answer in _answers(clause)]
    answers = answers or _answers(text)
    return " ".join(dict.fromkeys(answers)) or None


def _answers(clause: str) -> list[str]:
    clause = re.sub(r"#[0-9a-f]+|\b(?:rgb|hsl)a?\s*\([^)]*\)", " ", clause, flags=re.IGNORECASE)
    found = _written(clause)
    if found is None:
        return []
    written, before, after = found
    # "MCMXC in decimal", and only where nothing follows "decimal of MCMXC".
    targets = [base for base in _bases(after) or _bases(before) if base != written.base]
    if not targets and written.base != 10 and _asks(f"{before} {after}"):
        targets = [10]
    return [_told(written, base) for base in dict.fromkeys(targets)]


def _asks(text: str) -> bool:
    """Whether a question remains when the number and its base are taken out: 'what is MCMXC?'."""
    return bool(re.search(r"\b(?:what|which|convert|read|mean|value|number|equals?)\b", text, re.I))


# Reading ---------------------------------------------------------------------------------------


def _base(word: str) -> int:
    word = word.lower()
    for pattern, base in _BASES.items():
        if re.fullmatch(pattern, word):
            return base
    return int(re.sub(r"\D", "", word))


def _bases(text: str) -> list[int]:
    found = [_base(match[0]) for match in re.finditer(rf"\b{_WORD}\b", text, re.IGNORECASE)]
    return [base for base in found if base == ROMAN or 2 <= base <= 36]


_NUMBER = r"(?P<number>[0-9a-z]*\d[0-9a-z]*)"
_MARKED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?<!\w){_NUMBER} (?:(?:in|to|into) (?:base )?\w+ )?"
        rf"(?:from|if it(?: i|')s(?: in)?) (?P<base>{_WORD})\b",
        rf"\bfrom (?P<base>{_WORD})(?: number)? {_NUMBER}\b",
        rf"(?<!\w)(?P<number>[0-9a-z]+) (?:in |as a )?(?P<base>{_WORD})(?: number)?"
        r"(?= (?:to|into|in|as|=|is)\b)",
        rf"(?<!\bin )(?<!\bas )(?<!\bto )\b(?P<base>{_WORD})(?: number| numeral| value)? "
        r"(?P<number>\d[0-9a-z]*|[a-f]{1,8}|[ivxlcdm]+)\b",
        r"(?<!\w)(?P<number>[01]{2,}|[0-9a-f]*\d[0-9a-f]*) (?P<base>binary|hex|octal)\b",
    )
)
"""Where the base stands beside the number: 'binary 101', '101 from binary', 'ff hex to decimal'."""


def _written(clause: str) -> tuple[Written, str, str] | None:
    """Return the number that the clause is about, and what stands before and after it."""
    if found := re.search(rf"(?<!\w){_LITERAL}(?!\w)", clause, re.IGNORECASE):
        number = _read(found["literal"], _PREFIXES[found["literal"][:2].lower()])
        return (number, *_around(clause, found)) if number else None
    for pattern in _MARKED:
        for found in pattern.finditer(clause):
            if number := _read(found["number"], _base(found["base"])):
                return number, *_around(clause, found)
    # The number of "base 3" is none to convert.
    masked = re.sub(r"\bbase[ -]?\d+", lambda base: "_" * len(base[0]), clause)
    if found := re.search(r"(?<![\w.,-])\d+(?![\w.]*\d|\w)", masked):
        number = _read(found[0], 10)
        return (number, *_around(clause, found)) if number else None
    for found in re.finditer(r"\b(?:[MDCLXVI]{2,}|[ivxlcdm]{2,}|[MDCLXV])\b", clause):
        if number := _read(found[0], ROMAN):
            return number, *_around(clause, found)
    return None


def _around(clause: str, found: re.Match[str]) -> tuple[str, str]:
    return clause[: found.start()], clause[found.end() :]


def _read(text: str, base: int) -> Written | None:
    if len(text) > MAX_DIGITS:
        return None
    if base == ROMAN:
        value = from_roman(text)
        return None if value is None else Written(text=text.upper(), value=value, base=ROMAN)
    try:
        return Written(text=text, value=int(text, base), base=base)
    except ValueError:
        return None


# Writing ---------------------------------------------------------------------------------------


def in_base(value: int, base: int) -> str:
    """Return `value` (0 or more) in a base from 2 to 36, with small letters."""
    signs = ""
    while value:
        value, rest = divmod(value, base)
        signs = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + signs
    return signs or "0"


def to_roman(value: int) -> str | None:
    """Return the Roman numeral of 1 to 3999, or None: larger ones need signs of their own."""
    if not 1 <= value <= 3999:
        return None
    numeral = ""
    for sign, worth in _ROMAN:
        count, value = divmod(value, worth)
        numeral += sign * count
    return numeral


def from_roman(numeral: str) -> int | None:
    """Return the value of a Roman numeral in its standard form, or None if it is not one."""
    rest, value = numeral.upper(), 0
    for sign, worth in _ROMAN:
        while rest.startswith(sign):
            rest, value = rest.removeprefix(sign), value + worth
    return value if not rest and to_roman(value) == numeral.upper() else None


def _told(written: Written, base: int) -> str:
    name = _name(base)
    plain = written.base in (10, ROMAN) or written.text[:2].lower() in _PREFIXES
    said = written.text if plain else f"{_name(written.base).capitalize()} {written.text}"
    if base != ROMAN:
        return f"{said} in {name} is {in_base(written.value, base)}."
    numeral = to_roman(written.value)
    if numeral is None:
        return f"{said} has no Roman numeral: they go from 1 to 3999."
    return f"{said} in Roman numerals is {numeral}."


def _name(base: int) -> str:
    return _NAMES.get(base, f"base {base}")
