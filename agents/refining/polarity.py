"""Yes and no: which words of a sentence are affirmed and which denied.

A negation denies the content words that follow it up to the next pause; an antonym (`closed`) or
a negating prefix (`incompatible`) denies its counterpart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias

from ..sentences import STOP_WORDS, stem

NEGATION = re.compile(
    r"(?:not|no|never|cannot|without|neither|nor|hardly|unable|nicht|kein\w*|niemals|ohne|\w+n't)",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[^\W\d_](?:[\w-]|['’](?=\w))*|[.,;:!?()–—]")
_REACH = 5
_PREFIXES = ("non-", "non", "un", "in", "im", "ir", "il", "dis")
_ANTONYMS = {
    word: (positive, positive == word)
    for positive, negatives in {
        "free": "paid chargeable",
        "open": "closed shut",
        "allowed": "forbidden prohibited banned disallowed",
        "permitted": "forbidden prohibited banned",
        "included": "excluded",
        "accepted": "rejected refused",
        "enabled": "disabled",
        "required": "optional voluntary",
        "mandatory": "optional voluntary",
        "safe": "dangerous hazardous",
        "true": "false",
        "cheap": "expensive",
        "rose": "fell",
        "increased": "decreased dropped",
        "full": "empty",
        "present": "absent",
        "alive": "dead",
        "working": "broken",
        "edible": "poisonous toxic",
    }.items()
    for word in (positive, *negatives.split())
}
_COMMON = {
    "forbidden": "allowed",
    "prohibited": "allowed",
    "banned": "allowed",
    "permitted": "allowed",
}
_COMMON |= {"optional": "required", "voluntary": "required", "mandatory": "required"}


Signs: TypeAlias = Mapping[str, tuple[bool, str]]
"""Each content word's stem with True for affirmed, and how that is written."""


def opposed(one: Signs, other: Signs) -> tuple[str, str] | None:
    """Return the words by which one sentence affirms what the other denies, or None."""
    for a, b, swap in ((one, other, False), (other, one, True)):
        for word, (sign, written) in a.items():
            for counterpart, flip in ((word, False), *((base, True) for base in _bases(word))):
                if counterpart in b and (b[counterpart][0] != sign) != flip:
                    pair = written, b[counterpart][1]
                    return pair[::-1] if swap else pair
    return None


def denied(signs: Signs) -> frozenset[str]:
    """Return the stems that a negation denies."""
    return frozenset(word for word, (_, written) in signs.items() if written[:4] == "not ")


def aligned(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """Return the stems `one`, those with a negating prefix as their counterparts in `other`."""
    return frozenset(next((base for base in _bases(word) if base in other), word) for word in one)


def signs_of(text: str) -> Signs:
    """Return what a sentence affirms and denies; what it does both is left out."""
    signs: dict[str, tuple[bool, str]] = {}
    both: set[str] = set()
    reach = 0
    said = [part.casefold().replace("’", "'") for part in _TOKEN.findall(text)]
    for place, word in enumerate(said):
        if place == 0 and word in ("yes", "no") and said[1:2] in ([","], ["."], [":"], ["!"], []):
            signs["yes"] = word == "yes", word
        elif NEGATION.fullmatch(word) and said[place + 1 : place + 2] != ["only"]:
            reach = _REACH
        elif not word[0].isalpha() or word in ("but", "aber", "if", "unless", "because"):
            reach = 0
        else:
            denied = reach > 0
            reach -= 1
            if word in STOP_WORDS:
                continue
            base, positive = _ANTONYMS.get(word, (word, True))
            key = stem(_COMMON.get(word, _COMMON.get(base, base)))
            sign = positive != denied
            if key in signs and signs[key][0] != sign:
                both.add(key)
            signs[key] = sign, f"not {word}" if denied else word
    return {key: sign for key, sign in signs.items() if key not in both}


@lru_cache(maxsize=4096)
def _bases(word: str) -> tuple[str, ...]:
    return tuple(
        stem(word.removeprefix(prefix))
        for prefix in _PREFIXES
        if word.startswith(prefix) and len(word) > len(prefix) + 3
    )
