"""The agent of number notations: binary, octal, decimal, hexadecimal, any base to 36, Roman."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .wording import clauses, clean, digits, spelled, without_quotes

MAX_DIGITS = 400
ROMAN = 0
"""Stands for Roman numerals where else a base stands."""

_BASES = {
    r"hexa(?:decimals?)?|hexadeci\w*|hexidecimals?|hex|base[ -]?16": 16,
    r"decimals?|denary|base[ -]?10|arabic(?: numerals?| numbers?)?|digits"
    r"|(?:normal|ordinary|regular|plain|usual) (?:numbers?|numerals?|digits)": 10,
    r"octals?|oct|base[ -]?8": 8,
    r"binary|binaries|bin|base[ -]?2|dual|zeroe?s and ones|ones and zeroe?s|[01]s and [01]s": 2,
    r"roman(?: numerals?| numbers?| digits?| numeral form| letters)?|latin numerals?"
    r"|(?:way|like|as) the romans": ROMAN,
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
    text = without_quotes(clean(query).replace('"', " ").replace("'", " "))
    text = re.sub(r" {2,}", " ", spelled(digits(text), "number_bases"))
    answers = [answer for clause in clauses(text) for answer in _answers(clause)]
    answers = answers or _answers(text)
    return " ".join(dict.fromkeys(answers)) or None


_COLOUR = re.compile(
    r"\b(?:rgb|hsl|css|colou?rs?)\b"
    r"|\b(?:red|r) ?[=:]? ?\d+.*\b(?:blue|b) ?[=:]? ?\d+",
    re.IGNORECASE,
)
"""What belongs to the agent of colours."""

_LIST = re.compile(
    r"(?<![\w.])((?:\d{1,30}(?:, | and |, and )){1,20}\d{1,30}) (?:in|to|into|as)\b", re.IGNORECASE
)


def _answers(clause: str) -> list[str]:
    clause = re.sub(r"#[0-9a-f]+|\b(?:rgb|hsl)a?\s*\([^)]*\)", " ", clause, flags=re.IGNORECASE)
    if _COLOUR.search(clause):
        return []
    if several := _LIST.search(clause):
        bases = [base for base in _bases(clause) if base != 10]
        numbers = [
            Written(text=text, value=int(text), base=10) for text in re.findall(r"\d+", several[1])
        ]
        return [_told(number, base) for base in dict.fromkeys(bases) for number in numbers]
    found = _written(clause)
    if found is None:
        return []
    written, before, after = found
    # "MCMXC in decimal", and only where nothing follows "decimal of MCMXC".
    targets = [base for base in _bases(after) if base != written.base]
    targets = targets or [base for base in _bases(before) if base != written.base]
    if not targets and written.base != 10 and _asks(f"{before} {after}"):
        targets = [10]
    return [_told(written, base) for base in dict.fromkeys(targets)]


def _asks(text: str) -> bool:
    """Whether a question remains when the number and its base are taken out: 'what is MCMXC?'."""
    return bool(re.search(_ASKS, text, re.I))


_ASKS = (
    r"\b(?:what|which|convert|decod\w*|decipher|translate|reads?|means?"
    r"|value|number|equals?)\b|="
)


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
        rf"(?<!\w)(?P<number>[0-9a-z]+) from (?P<base>{_WORD})\b",
        rf"\b(?P<base>{_WORD}) (?:to|into) {_WORD}\b ?[:,]? ?{_NUMBER}\b",
        rf"(?<!\w){_NUMBER} is (?:in |an? )?(?P<base>binary|octal|hex\w*)\b",
        # A number with letters can be none of base 10.
        rf"(?<!\w)(?P<number>(?=[a-z]*\d)(?=\d*[a-z])[0-9a-z]+) (?:in|as) (?P<base>{_WORD})\b",
        r"(?:^|\b(?:is|convert|turn|decode) )(?!it\b|that\b|this\b)(?P<number>[a-z]{1,6}) in "
        r"(?P<base>base[ -]?\d+)\b",
        r"\b(?:which|what) number\b.*?(?<!\w)(?P<number>[01]{3,}) (?:in|as) (?P<base>binary)\b",
        r"(?<!\w)(?P<number>[01]{3,}) in (?P<base>binary)\b(?=.*\b(?:which|what) number\b)",
        rf"(?<!\w)(?P<number>[0-9a-z]+) (?:in |as a )?(?P<base>{_WORD})(?: number)?"
        r"(?= (?:to|into|in|as|=|is)\b)",
        rf"(?<!\bin )(?<!\bas )(?<!\bto )\b(?P<base>{_WORD})(?: number| numeral| value)? "
        r"(?P<number>\d[0-9a-z]*|[0-9a-f]{1,16}|[ivxlcdm]+)\b",
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
    # "MIX" and "C" are words and letters too: only near "Roman" are they read in any case.
    roman = r"[MDCLXVI]{2,}"
    if re.search(r"\b(?:roman|latin|numerals?|chapter)\b", clause, re.IGNORECASE) or _bases(clause):
        roman += "|[ivxlcdm]{2,}"
    if re.search(r"\b(?:roman|numerals?)\b", clause, re.IGNORECASE):
        roman += "|[MDCLXV]"
    for found in re.finditer(rf"\b(?:{roman})\b", clause):
        if number := _read(found[0], ROMAN):
            return number, *_around(clause, found)
    return None


def _around(clause: str, found: re.Match[str]) -> tuple[str, str]:
    group = "number" if "number" in found.re.groupindex else 0
    return clause[: found.start(group)], clause[found.end(group) :]


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
