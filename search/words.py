"""Splits a text into the words by which it is found."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+")

_LONGEST_STEMMED = 40
"""Characters; longer "words" are data, and are left as they are."""

_STOP_WORDS = """
a an and are as at be but by for if in into is it no not of on or such that the their then there
these they this to was will with
"""

STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words that say nothing about a text. Source: Lucene, EnglishAnalyzer's default set."""


def words(text: str) -> list[str]:
    """Return the words in order: lower-case, without stop words, English endings taken off."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return [
        _stem(word) if len(word) <= _LONGEST_STEMMED else word
        for word in _WORD.findall(text.lower())
        if word not in STOP_WORDS
    ]


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    import snowballstemmer  # type: ignore[import-untyped]

    # One for each word, because a stemmer is no good for two threads.
    return str(snowballstemmer.stemmer("english").stemWord(word))
