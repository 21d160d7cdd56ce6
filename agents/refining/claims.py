"""Sentences prepared for comparing, and how much two of them are about the same thing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from ..sentences import Piece, PieceKind, stems
from .facts import Fact, Facts, facts_of, masked
from .measures import Measure, is_calendar, measures
from .polarity import Signs, aligned, signs_of
from .quantities import Quantity, quantities

_PREPOSITIONS = frozenset(("in", "on", "for", "during", "at", "per"))
_PRONOUN = re.compile(r"^(?:it|they|this|that|these|those|he|she|we)\b", re.IGNORECASE)
_NO_WORD = ("#", frozenset[str]())
_LONG = 1000
"""Characters of a piece that is not remembered: a claim takes a hundred times its text's memory."""
_TOKEN = re.compile(r"#|\w+(?:['’]\w+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One sentence and what it is made of.

    `words` has # for quantities and names; `topic` are the stems without quantities; `context` are
    those of the query where the sentence leaves its subject open; `clause` marks what follows a
    semicolon; `words` and `names` come with their stems.
    """

    piece: Piece
    facts: Facts
    words: tuple[tuple[str, frozenset[str]], ...]
    topic: frozenset[str]
    context: frozenset[str]
    clause: bool
    names: tuple[tuple[Fact, frozenset[str]], ...]
    measures: tuple[Measure, ...]
    signs: Signs


def claims_of(parts: Sequence[Piece], context: frozenset[str] = frozenset()) -> list[Claim]:
    """Return the claim of each piece; `context` are the stems of the query."""
    claims = []
    clause = False
    for piece in parts:
        read = _claim if len(piece.text) > _LONG else _recent_claim
        claim = read(piece.text, piece.kind)
        # "It takes five days": what "it" is stands in the query.
        is_open = context and (clause or not claim.topic or _PRONOUN.match(piece.quote))
        known = context if is_open else frozenset[str]()
        claims.append(replace(claim, piece=piece, context=known, clause=clause))
        clause = piece.text.endswith(";")
    return claims


def _claim(text: str, kind: PieceKind) -> Claim:
    """Return the claim of a piece that stands alone."""
    piece = Piece(gap="", text=text, kind=kind)
    facts = facts_of([piece])
    plain = masked(piece.quote)
    counted = quantities(plain)
    bare = _bare(piece.quote, counted, facts)
    named = [
        (fact, stems(fact.text)) for fact in facts.stated if fact.kind not in ("quantity", "link")
    ]
    return Claim(
        piece=piece,
        facts=facts,
        words=tuple((word, stems(word)) for word in _TOKEN.findall(bare.casefold())),
        topic=stems(bare).union(*(own for fact, own in named if fact.kind == "name")),
        context=frozenset(),
        clause=False,
        names=tuple((fact, own) for fact, own in named if not is_calendar(fact.text)),
        measures=measures(plain, counted),
        signs=signs_of(piece.quote),
    )


# Merging asks for each sentence again and again: of the answers, of what the model made of them,
# and of the text that is checked at last.
_recent_claim = lru_cache(maxsize=1024)(_claim)


def _bare(text: str, counted: Sequence[Quantity], facts: Facts) -> str:
    """Return `text` with # for each quantity and name."""
    for quantity in reversed(counted):
        text = f"{text[: quantity.start]} # {text[quantity.end :]}"
    for fact in facts.stated:
        if fact.kind != "quantity" and not is_calendar(fact.text):
            text = text.replace(fact.text, " # ")
    return text


def likeness(one: Claim, other: Claim) -> float:
    """Return how much two sentences are about the same, 0..1: the share of the shorter one's words.

    Names that differ may be the very point, so they do not count.
    """
    left = aligned(one.topic - _foreign(one, other), other.topic)
    right = aligned(other.topic - _foreign(other, one), one.topic)
    best = 0.0
    for a, b in ((left, right), (left | one.context, right | other.context)):
        shared, shorter = len(a & b), min(len(a), len(b))
        if shared > 1 or shared == shorter == 1:
            best = max(best, shared / shorter)
    return best


def overlap(one: Claim, other: Claim) -> float:
    """Return the share of the longer sentence's own words that the shorter one has too, 0..1."""
    left, right = aligned(one.topic, other.topic), aligned(other.topic, one.topic)
    return len(left & right) / max(len(left), len(right), 1)


def _foreign(one: Claim, other: Claim) -> frozenset[str]:
    """Return the stems of the names of `one` that `other` has not."""
    own = (stems for name, stems in one.names if not other.facts.holds(name))
    return frozenset[str]().union(*own) - other.topic


def other_subject(one: Claim, other: Claim) -> bool:
    """Return whether the sentences are about different things of one sort.

    Shipping and refunds, the standard and the premium plan, for adults and for children: both begin
    with a word of their own, qualify the same word, or continue the same preposition, differently.
    """
    lefts, rights = _qualifiers(one, other), _qualifiers(other, one)
    return any(
        lefts[key] != rights[key] and not (is_calendar(lefts[key]) and is_calendar(rights[key]))
        for key in lefts.keys() & rights.keys()
    )


def _qualifiers(claim: Claim, other: Claim) -> dict[str, str]:
    found: dict[str, str] = {}
    first, own = next((each for each in claim.words if each[0] == "#" or each[1]), _NO_WORD)
    known = other.topic | other.context if other.clause else other.topic
    if not own <= known:
        found[""] = first
    for (before, former), (word, own) in pairwise(claim.words):
        is_known = own <= other.topic
        if before in _PREPOSITIONS and not is_known:
            found[before] = word
        elif own and is_known and not former <= other.topic:
            found[word] = before
    return found
