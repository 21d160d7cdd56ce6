"""Signs that two near sentences are about different things, and whether a sentence says yes or no.

A price for adults and one for children are no contradiction; nor are two steps of one recipe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import takewhile

import yaml

from ..sentences import STOP_WORDS, stem, words
from .polarity import NEGATION

_REACH = 4
_OPEN_UNTIL = re.compile(r"\bopen (?:until|till|to)\b|\bgeöffnet bis\b", re.IGNORECASE)
_CONDITION = re.compile(
    r"\b(?:if|unless|except|only|depend\w*|falls|wenn|außer|nur)\b"
    r"|\b(?:more|less|over|under|above|below|up to|until|within|than|bis|über|unter)\b.{0,12}\d",
    re.IGNORECASE,
)
_HEAD = 7
_VERBS = frozenset(words("is are was were has have will can may must ist sind hat war"))
_ATTACHING = frozenset(words("of for in on at from to with per by there von für"))
_POINTING = frozenset(words("it they this that these those he she we you i there es sie er"))
_YES = ("yes", "yeah", "ja")
_NO = ("no", "nope", "nein")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a sentence says yes; `weight` 1 where it only repeats the words of the question."""

    says_yes: bool
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """`prompts/contrasts.yaml`, as stems; each group tells which words mean the same."""

    groups: tuple[Mapping[str, int], ...]
    parts: frozenset[str]
    adding: frozenset[str]
    affirming: frozenset[str]
    denying: frozenset[str]


def subjects(one: str, other: str) -> tuple[str, str] | None:
    """Return what two sentences with one verb say it of ("The pan weighs …"), where that differs.

    Prices and costs are alike and pans and lids are not: the caller has to compare their meaning.
    """
    left, right = words(one)[:_HEAD], words(other)[:_HEAD]
    for place, word in enumerate(left):
        if place and word in right[1:] and (word in _VERBS or word.endswith("s")):
            names = [_head(said[: said.index(word)]) for said in (left, right)]
            if all(names) and names[0] != names[1]:
                return names[0], names[1]
            return None
    return None


def _head(said: Sequence[str]) -> str:
    """Return the noun with its own words, without what is attached to it by a preposition."""
    kept = list(takewhile(lambda word: word not in _ATTACHING, said))
    if not kept or kept[0] in _POINTING:
        return ""
    return " ".join(word for word in kept if word not in STOP_WORDS)


def apart(one: str, other: str, query: str) -> bool:
    """Return whether two sentences name different things of one sort, or one adds to the other."""
    known = _words()
    left, right = (_stems(_OPEN_UNTIL.sub("close", text)) for text in (one, other))
    if not known.adding.isdisjoint(left | right):
        return True
    if (left ^ right) & known.parts - _stems(query):
        return True
    return any(
        (mine := {group[word] for word in left if word in group})
        and (yours := {group[word] for word in right if word in group})
        and not mine & yours
        for group in known.groups
    )


def verdict(text: str, query: str) -> Verdict | None:
    """Return what a sentence answers to a closed question, or None if it is unclear."""
    said = words(text)
    lead = said[0] if said else ""
    if lead in _YES + _NO:
        negative = any(stem(word) in _words().denying for word in words(query))
        return Verdict(says_yes=(lead in _YES) != negative, weight=3)
    if _CONDITION.search(text):
        return None
    evidence = _evidence(said, _stems(query))
    strongest = max((weight for weight, _ in evidence), default=0)
    signs = {sign for weight, sign in evidence if weight == strongest}
    return Verdict(says_yes=signs.pop(), weight=strongest) if len(signs) == 1 else None


def _evidence(said: Sequence[str], asked: frozenset[str]) -> list[tuple[int, bool]]:
    """Return what speaks for yes or no, with its weight: a negated word of the query is most."""
    found: list[tuple[int, bool]] = []
    reach = 0
    for place, word in enumerate(said):
        key = stem(word)
        if NEGATION.fullmatch(word):
            reach = _REACH
            following = {stem(near) for near in said[place + 1 : place + 1 + _REACH]}
            if following.isdisjoint(_words().denying):
                found.append((3 if following & asked else 2, False))
            continue
        if key in _words().denying:
            found.append((3 if key in asked else 2, reach > 0))
        elif key in _words().affirming and reach <= 0:
            found.append((2, True))
        elif key in asked and reach <= 0:
            found.append((1, True))
        reach -= 1
    return found


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in words(text))


@cache
def _words() -> _Words:
    text = files(__package__).joinpath("prompts/contrasts.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    return _Words(
        groups=tuple(
            {
                stem(word): number
                for number, same in enumerate(group.split())
                for word in same.split("/")
            }
            for group in data["groups"]
        ),
        parts=_stems(data["parts"]),
        adding=_stems(data["adding"]),
        affirming=_stems(data["affirming"]),
        denying=_stems(data["denying"]),
    )
