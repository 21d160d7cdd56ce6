"""What a model wrote, checked against the answers that it was given.

A sentence that states a number, date, name, link or quotation of its own, that is about something
else, or that denies what it draws on is dropped. Where that is more than a third, or the whole is
no answer at all, everything is discarded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ..sentences import Piece, coverage, join, pieces, stems, words
from .claims import Claim, claims_of
from .conflicts import contradicts
from .facts import Facts, facts_of, together
from .injection import is_order
from .polarity import denied
from .substance import is_useless

MAX_BAD = 1 / 3
_MIN_SUPPORT = 0.5
_ALIKE = 0.6
_MIN_LENGTH = 300
_ORDINAL = re.compile(r"^\d{1,3}[.)]\s+")
_RUN = 6
_LEAK = 9
_OWN_WORDS = stems(
    "agent agents answer answers disagree disagreement conflict conflicting contradict differ"
    " contradictory different difference however although whereas according say says state states"
    " claim claims both addition additionally also meanwhile while note overall summary source"
    " sources inconsistent point points information two three"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What may stand of a model's text. `discarded` says why nothing may."""

    parts: tuple[Piece, ...] = ()
    dropped: tuple[str, ...] = ()
    discarded: str | None = None


def audit(
    written: str, *, answers: Sequence[Piece], asked: Facts, agents: Sequence[str], rules: str
) -> Audit:
    """Check `written` against the pieces of the answers and the facts of the query, `asked`.

    `agents` are names that the text may say; `rules` is the prompt, which it must not repeat.
    """
    parts = tuple(_unnumbered(piece) for piece in pieces(written))
    told = claims_of(answers)
    named = facts_of([Piece(gap="\n", text=", ".join(agents))])
    sources = together([*(claim.facts for claim in told), asked, named])
    length = sum(len(piece.text) for piece in answers)
    if reason := _unusable(parts, sources, int(1.5 * length) + _MIN_LENGTH, rules):
        return Audit(discarded=reason)
    kept, dropped = [], []
    denials = frozenset(word for source in told for word in denied(source.signs))
    for claim in claims_of(parts):
        new_denial = (words_denied := denied(claim.signs)) and not words_denied & denials
        if new_denial or _is_bad(claim, told, sources):
            dropped.append(claim.piece.quote)
        else:
            kept.append(claim.piece)
    if not kept or len(dropped) > MAX_BAD * len(parts):
        return Audit(
            dropped=tuple(dropped),
            discarded="too much of it is not in the answers",
        )
    return Audit(parts=tuple(kept), dropped=tuple(dropped))


def _unnumbered(piece: Piece) -> Piece:
    """A list that the model numbered is a list with dashes: its numbers are no answer's."""
    return replace(piece, text=_ORDINAL.sub("- ", piece.text)) if piece.kind == "item" else piece


def _unusable(parts: Sequence[Piece], sources: Facts, max_length: int, rules: str) -> str | None:
    """Say why a text as a whole is no answer, or None."""
    text = join(parts)
    said = words(text)
    if not said:
        return "it is empty"
    if len(text) > max_length:
        return "it is much too long"
    if "\ufffd" in text or sum(char.isalnum() or char.isspace() for char in text) < len(text) / 2:
        return "it is garbled"
    if _repeats(parts, said):
        return "it repeats itself"
    if any(is_order(piece.text) for piece in parts):
        return "it repeats instructions to the assistant"
    if is_useless(parts, sources):
        return "it refuses to answer"
    if not _rules(rules).isdisjoint(_runs(said, _LEAK)):
        return "it repeats the rules it was given"
    return None


def _repeats(parts: Sequence[Piece], said: Sequence[str]) -> bool:
    most = max(Counter(piece.quote.casefold() for piece in parts).values(), default=0)
    count = len(said) - _RUN + 1
    return most > 2 or (count > _RUN and len(_runs(said, _RUN)) < 0.7 * count)


@lru_cache(maxsize=4)
def _rules(text: str) -> frozenset[tuple[str, ...]]:
    return frozenset(_runs(words(text), _LEAK))


def _runs(said: Sequence[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(said[start : start + length]) for start in range(len(said) - length + 1)}


def _is_bad(claim: Claim, answers: Sequence[Claim], sources: Facts) -> bool:
    facts = claim.facts
    invented = [
        fact
        for fact in sources.missing(facts)
        if fact.kind != "name" or " " in fact.key or fact.key not in sources.words
    ]
    if invented or coverage(facts.stems - _OWN_WORDS, sources.stems) < _MIN_SUPPORT:
        return True
    near = [source for source in answers if coverage(facts.stems, source.facts.stems) >= _ALIKE]
    return bool(near) and all(contradicts(claim, source) for source in near)
