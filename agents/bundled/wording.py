"""How wishes are worded: cleaning a query, cutting it into clauses, number words as digits.

Every function agent may get a whole query with several wishes. What they share stands here; what
only one of them looks for stands in its own file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from difflib import SequenceMatcher
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from ...values import AgentResult

MAX_CHARACTERS = 2000
"""No agent but text_stats reads further: a wish is short, and patterns must stay quick."""

ALIKE = 0.85
"""How alike a long mistyped key word must be (difflib ratio)."""

NUMBER = r"\d+(?:\.\d+)?"

_PLAIN = str.maketrans(
    {
        **dict.fromkeys("“”„«»", '"'),
        **dict.fromkeys("‘’‚´`", "'"),
        **dict.fromkeys("−–—‐‑", "-"),
        **dict.fromkeys("\u00a0\u202f\u2009\t\r\n", " "),
        "×": "*",
        "·": "*",
        "÷": "/",
        "→": " to ",
        "⇒": " to ",
        "½": " 1/2",
        "¼": " 1/4",
        "¾": " 3/4",
    }
)
_THOUSANDS = re.compile(r"(?<![\d.,#])\d{1,3}(?:,\d{3})+(?!\d)")
_STARTS = (
    "what|wat|whats|which|wich|how|who|when|where|why|is|are|was|were|do|does|did|can|could|also"
    "|then|please|tell|give|show|list|convert|convrt|change|turn|write|count|calculate|compute|add"
    "|subtract|multiply|divide|split|make|find|name|put|reverse|spell|draft|compose|select|top"
    "|revenue|sales|turnover|orders|average|price|stock|number|hex|binary|octal|decimal|roman"
    "|square|sum|half|time|current|contrast|complementary|rgb|hsl|color|colour|the date"
)
_CLAUSE = re.compile(
    rf"[;?!]+|[.](?=\s|$)|,\s+(?:and|or|but)\s+"
    rf"|(?:,\s+|\s+(?:and|or|but)\s+)(?=(?:{_STARTS})\b)",
    re.IGNORECASE,
)


@lru_cache(maxsize=32)
def table(name: str) -> Mapping[str, Any]:
    """Return the data file `data/{name}.yaml`."""
    text = files(__package__).joinpath("data", f"{name}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def clean(query: str) -> str:
    """Return the query with plain quotes, signs and spaces, cut to `MAX_CHARACTERS`."""
    text = query[:MAX_CHARACTERS].translate(_PLAIN)
    text = "".join(sign if sign.isprintable() else " " for sign in text)
    text = re.sub(r" ?[-=]> ?", " to ", text)
    # The question mark of "1 stone = ? pounds" ends no clause.
    text = re.sub(r"= ?\?+ ?(?=\w)", "= ", text)
    return re.sub(r" {2,}", " ", text).strip()


def clauses(text: str) -> list[str]:
    """Cut a cleaned query into its wishes, as far as wording tells."""
    return [part for piece in _CLAUSE.split(text) if (part := piece.strip(" ,."))]


def without_quotes(text: str) -> str:
    """Blank what stands in quotation marks: it is spoken about, not said."""
    return re.sub(r"\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)", " ", text)


def spelled(text: str, agent: str) -> str:
    """Return the text with mistyped key words of an agent put right (`data/keywords.yaml`)."""
    return re.sub(r"[A-Za-z]{3,}", lambda word: _keyword(word[0].lower(), agent) or word[0], text)


@lru_cache(maxsize=4096)
def _keyword(word: str, agent: str) -> str | None:
    keywords = table("keywords")[agent].split()
    if word in keywords:
        return None
    near = (key for key in keywords if key[0] == word[0] and _one_slip(word, key))
    return next(near, None) or next(
        (key for key in keywords if len(key) > 8 and _alike(word, key)), None
    )


def _one_slip(word: str, key: str) -> bool:
    """Whether two letters are swapped, one is missing, doubled or (in a long word) another one."""
    if len(word) == len(key):
        wrong = [place for place in range(len(key)) if word[place] != key[place]]
        if len(wrong) == 2 and wrong[1] == wrong[0] + 1:
            return word[wrong[0]] == key[wrong[1]] and word[wrong[1]] == key[wrong[0]]
        return len(wrong) == 1 and len(key) >= 6 and wrong[0] < len(key) - 1
    short, long = sorted((word, key), key=len)
    if len(long) - len(short) != 1 or len(short) < 4 or long in (f"{short}s", f"{short}d"):
        return False
    return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))


def _alike(word: str, key: str) -> bool:
    plural = word.rstrip("s") == key.rstrip("s")
    return not plural and SequenceMatcher(None, word, key).ratio() >= ALIKE


def alternatives(words: Any) -> str:
    """Return a pattern that matches any of `words`, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def declined(agent: str, reason: str) -> AgentResult:
    """Return the honest result of an agent that understood the wish but can't grant it."""
    return AgentResult(agent=agent, text=reason, answered=False)


# Number words ----------------------------------------------------------------------------------


def digits(text: str) -> str:
    """Write number words as digits and drop thousands separators: 'two hundred' is '200'."""
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    text = _pattern("scaled").sub(_scaled, text)
    return _pattern("spoken").sub(_spoken, text)


@lru_cache(maxsize=2)
def _pattern(kind: str) -> re.Pattern[str]:
    scales = alternatives(table("numbers")["scales"])
    if kind == "scaled":
        return re.compile(rf"(?<![\w.])({NUMBER})\s+({scales})\b", re.IGNORECASE)
    word = rf"(?:{alternatives(table('numbers')['words'])})\b|(?:{scales})\b"
    more = rf"(?:(?:\s+and\s+|[\s-]+)(?:{word}))*"
    return re.compile(rf"\b(?:an?\s+(?=(?:{scales})\b))?(?:{word}){more}", re.IGNORECASE)


def _scaled(match: re.Match[str]) -> str:
    number = Decimal(match[1]) * table("numbers")["scales"][match[2].lower()]
    return f"{number.normalize():f}"


def _spoken(match: re.Match[str]) -> str:
    """Return the numbers of a run of number words; what can't go on a number begins a new one."""
    words, scales = table("numbers")["words"], table("numbers")["scales"]
    out: list[str] = []
    total = part = 0
    last: int | None = None
    joined = False
    for word in re.findall(r"[a-z]+", match[0].lower()):
        if word in ("a", "an"):
            continue
        if word == "and":
            joined = True
            continue
        if word in scales:
            scale = scales[word]
            part = max(part, 1) * scale
            if scale >= 1000:
                total, part = total + part, 0
            last, joined = scale, False
            continue
        value = words[word]
        if last is not None and not _goes_on(value, last, joined):
            out.append(f"{total + part}" + (" and" if joined else ""))
            total = part = 0
        part, last, joined = part + value, value, False
    return " ".join([*out, str(total + part)])


def _goes_on(value: int, last: int, joined: bool) -> bool:
    """Whether `value` may follow `last` within one number: twenty five, hundred (and) five."""
    if last >= 100:
        return True
    return not joined and 20 <= last < 100 and 0 < value < 10
