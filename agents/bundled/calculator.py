"""The calculator: finds the arithmetic in a query, however it is worded, and works it out.

The wording is rewritten into signs and calls by the table `data/calculator.yaml`; what then stands
as an expression is worked out by `arithmetic.py`. Dates, times, colours and quoted texts of
the same query are blanked first, so that 2026-01-15 is no subtraction.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from .arithmetic import NoExpression, TooLarge, value
from .wording import NUMBER, alternatives, clean, digits, spelled, table, without_quotes

MAX_WISHES = 5
_SIGNED = rf"(?<![\w.])(-?{NUMBER})(?![\w.]*\d)"
_FOREIGN = re.compile(
    r"\b\d{4}-\d{1,2}-\d{1,2}\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|\b\d{1,2}:\d{2}(?::\d{2})?\b"
    r"|#[0-9a-f]{3,8}\b|\b(?:rgb|hsl)a?\s*\([^)]*\)|\b(?:[\w.+-]+@[\w.-]+|https?://\S+)"
    r"|\bselect\b.*\bfrom\b.*"
    r"|\b\d{1,2}(?:st|nd|rd|th)?(?: of)? (?:january|february|march|april|june|july|august"
    r"|september|october|november|december)\b(?: \d{4})?",
    re.IGNORECASE,
)
_LITERAL = re.compile(r"\b0(?:x[0-9a-f]+|b[01]+|o[0-7]+)\b", re.IGNORECASE)
_RUN = re.compile(rf"(?:@[a-z]+|{NUMBER}|\*\*|[-+*/()!,%= ])+")
_OPEN = re.compile(r"\b(?:subtract|add|multiply|divide|deduct|split|share)\s*$")
_CUE = re.compile(r"\b(?:what|calculate|compute|how much|solve|work out|result)\b|=", re.IGNORECASE)


def calculator(query: str) -> str | None:
    """Return the results of the calculations in `query`, or None if there are none."""
    text = _plain(query)
    answers: list[str] = []
    rewritten = _rewritten(text)
    for run in _RUN.finditer(rewritten):
        # "Subtract a quarter of 80 from 50": the quarter alone would answer half the wish.
        if "@" in run[0] and _OPEN.search(rewritten[: run.start()]):
            continue
        for expression in _expressions(run[0]):
            if _is_range(expression) and not _CUE.search(text) and expression != text:
                continue
            answer = _answer(expression)
            if answer and answer not in answers:
                answers.append(answer)
    return " ".join(answers[:MAX_WISHES]) or None


def _plain(query: str) -> str:
    """Return the query in lower case, with digits and without what other agents read."""
    text = without_quotes(clean(query)).replace("@", " ").lower()
    text = _FOREIGN.sub(" ; ", re.sub(r"\d{100,}", " ", text))
    text = _LITERAL.sub(lambda match: str(int(match[0], 0)), text)
    text = text.replace("²", "^2").replace("³", "^3").replace("$", "").replace("£", "")
    text = spelled(digits(text.replace("€", "")), "calculator")
    text = re.sub(r"(?<=\d) ?(?:euros?|eur|dollars?|bucks|quid|usd|gbp)\b", "", text)
    text = _ordinals().sub(lambda match: f"{table('numbers')['ordinals'][match[1]]}th", text)
    if not re.search(r"\b(?:sum|total|add|product|average|mean|avg|median|max|min)", text):
        text = re.sub(r"(?<![\d,.])(\d+),(\d\d)(?![\d,])", r"\1.\2", text)
    return re.sub(r" {2,}", " ", text).strip()


@lru_cache(maxsize=1)
def _ordinals() -> re.Pattern[str]:
    """Return the pattern of ordinals in arithmetic: the fourth root, two thirds of 9."""
    words = alternatives(table("numbers")["ordinals"])
    return re.compile(rf"(?<![\w-])({words})(?= root| power|s? of (?:the )?\d|$|[?.,!]| [-+*/])")


@lru_cache(maxsize=1)
def _rewrites() -> list[tuple[re.Pattern[str], str]]:
    rules = table("calculator")
    member = rf"-?{NUMBER}(?![\w.]*\d)(?! ?(?:{rules['units']}))"
    many = rf"((?:{member})(?:(?: ?, ?and |,| and | ?& ?| )+(?:{member}))+)"
    words = {
        "AMOUNT": rf"({member})",
        "FILLER": rf"(?:[ :]+(?:{rules['fillers']}))*[ :]+",
        "ANY": r"[^\d;?!@]{0,70}?",
        "LIST": many,
        "N": _SIGNED,
    }
    rewrites = []
    for pattern, by in rules["rewrites"]:
        for word, stands_for in words.items():
            pattern = pattern.replace(word, stands_for)
        rewrites.append((re.compile(pattern), by))
    return rewrites


def _rewritten(text: str) -> str:
    for pattern, by in _rewrites():
        text = pattern.sub(by, text)
    # The members of a list are parted by commas alone.
    text = re.sub(
        r"@[a-z]+\(([^()@]*)\)",
        lambda call: re.sub(r"(?<=\d)(?: ?, ?and | ?, ?| and | ?& ?| )+(?=-?\d)", ",", call[0]),
        text,
    )
    text = re.sub(rf"({NUMBER}) ?%(?= ?[-+*/])|(?<=[-+*/] )({NUMBER}) ?%", r"(\1\2/100)", text)
    return re.sub(r" {2,}", " ", text)


def _expressions(run: str) -> list[str]:
    """Cut a run of signs and numbers at commas outside parentheses and keep what calculates."""
    pieces, depth = [""], 0
    for sign in run:
        depth += (sign == "(") - (sign == ")")
        if (sign == "," and depth <= 0) or sign == "=":
            pieces.append("")
        else:
            pieces[-1] += sign
    found = (piece.strip(" ,!").rstrip("+-*/%( ").lstrip("*/%) ") for piece in pieces)
    return [piece for piece in map(_balanced, found) if _calculates(piece)]


def _balanced(piece: str) -> str:
    while piece.count(")") > piece.count("(") and piece.endswith(")"):
        piece = piece[:-1].rstrip()
    while piece.count("(") > piece.count(")") and piece.startswith("("):
        piece = piece[1:].lstrip()
    return piece


def _calculates(piece: str) -> bool:
    return "@" in piece or bool(re.search(r"[\d)] ?(?:\*\*|[-+*/%]) ?[-+]?[\d(@]", piece))


def _is_range(expression: str) -> bool:
    """Whether this may be no sum at all: pages 10-12, 2/3, a telephone number."""
    return bool(re.fullmatch(r"\d+(?:-\d+)+|\d+(?:/\d+)+", expression))


# Answers ---------------------------------------------------------------------------------------


def _answer(expression: str) -> str | None:
    source = re.sub(rf"({NUMBER}) ?% ?({NUMBER})", r"@remainder(\1,\2)", expression)
    shown = _shown(source)
    try:
        result = value(source.replace("@", ""))
    except NoExpression:
        return None
    except ZeroDivisionError:
        return f"{shown} can't be worked out: nothing can be divided by zero."
    except TooLarge:
        return f"{shown} is too large for me to work out."
    except ValueError:
        return f"{shown} has no real value."
    return _sentence(source, shown, figure(result, cents=_in_cents(source)))


def _in_cents(source: str) -> bool:
    """Whether the numbers look like money: whole or with two decimals, and one of these."""
    decimals = {len(number.partition(".")[2]) for number in re.findall(NUMBER, source)}
    return decimals in ({2}, {0, 2})


def figure(number: Decimal, *, cents: bool = False) -> str:
    """Return the number as people write it; more than ten decimals are rounded, with 'about'."""
    number += 0  # no "-0"
    if number.adjusted() >= 100:
        return f"about {number:.9e}".replace("e+", " x 10^")
    if number == number.to_integral_value():
        return f"{number.to_integral_value():f}"
    exact = number.normalize()
    exponent = exact.as_tuple().exponent
    decimals = -exponent if isinstance(exponent, int) else 0
    if decimals <= 2 and cents:
        return f"{number:.2f}"
    if decimals <= 10:
        return f"{exact:f}"
    if abs(number) < Decimal("0.000001"):
        return f"about {number:.6e}".replace("e-", " x 10^-")
    places = max(2, 9 - max(number.adjusted(), 0))
    return f"about {round(number, places):f}"


def _sentence(source: str, shown: str, result: str) -> str:
    call = re.fullmatch(r"@([a-z]+)\(([^()@]*)\)", source)
    if call is None:
        return f"{shown} is {result}."
    parts = [part.strip() for part in call[2].split(",")]
    several = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    template: str = table("calculator")["sentences"][call[1]]
    return template.format(*parts, r=result, list=several)


def _shown(source: str) -> str:
    """Return the expression as people read it."""
    text = re.sub(r"@percent\(([^(),]+),([^(),]+)\)", r"\1% of \2", source)
    text = text.replace("@sqrt", "√").replace("@cbrt", "∛").replace("@", "")
    text = text.replace("**", "^").replace("*", "×").replace("/", "÷")
    text = re.sub(r" ?([-+×÷^]) ?", r" \1 ", text).replace(" ^ ", "^")
    text = re.sub(r" {2,}", " ", text)
    text = re.sub(r"(^|[(,^×÷+-]) ?- ", lambda sign: f"{sign[1]} -".lstrip(), text)
    if text.startswith("(") and text.endswith(")") and _closes_last(text):
        text = text[1:-1]
    return re.sub(r"\(\s+", "(", re.sub(r" {2,}", " ", text)).strip()


def _closes_last(text: str) -> bool:
    depths = [0]
    for sign in text:
        depths.append(depths[-1] + (sign == "(") - (sign == ")"))
    return all(after > 0 for _, after in pairwise(depths[:-1]))
