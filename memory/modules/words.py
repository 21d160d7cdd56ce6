"""The words of a text that carry meaning, in a form in which they can be compared."""

from __future__ import annotations

import re
from functools import lru_cache

from ...search.words import words

_STOP_WORDS = """
    a about after again all also am an and any are as at be because been before being but by can
    could did do does doing done don't each even few for from further get go going got had has have
    having he her here hers hey hi him his how i i'd i'll i'm i've if in into is isn't it it's its
    just know let let's like lot made make many me more most much my no not now of off oh ok okay
    on once one only or other our out over own please really same say said she should so some such
    sure tell than thank thanks that that's the their them then there these they thing things think
    this those through to too under until up us user very want was wasn't we were what what's when
    where which while who whom whose why will with would wow yeah yes yet you you're your yours
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())

_WORD = re.compile(r"\w+(?:['’.,:/-]\w+)*")

REMEMBERED = 4096
"""Texts of which it is kept what was found: the same passages are read query after query."""


@lru_cache(REMEMBERED)
def content_words(text: str) -> tuple[str, ...]:
    """Return the words in lower case and in their order, without stop words and single letters."""
    found = (word.casefold().replace("’", "'") for word in _WORD.findall(text))
    meant = (word.removesuffix("'s") for word in found if word not in STOP_WORDS)
    return tuple(word for word in meant if len(word) > 1 or word.isdigit())


def stems(text: str) -> frozenset[str]:
    """Return the stems of the content words, as the lexical index has them."""
    return frozenset(words(" ".join(content_words(text))))


def share(query: frozenset[str], text: str) -> float:
    """Return which part of the query's stems stands in `text`, 0..1."""
    return len(query & stems(text)) / len(query) if query else 0.0
