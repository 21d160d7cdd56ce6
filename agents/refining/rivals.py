"""Where two agents answer one question differently, however they word it.

The question says which value is asked for; two sentences that state different ones of it and are
near in meaning once these values are masked can't both hold. Words say what similarity can't: that
one is about adults and the other about children.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ...search.encoder import Encoder
from ..sentences import stems
from .claims import Claim, other_subject, overlap
from .contrasts import apart, subjects, verdict
from .facts import Fact
from .measures import Measure, is_calendar
from .question import Question, family, question_of

RivalKind = Literal["number", "date", "polarity", "name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Least:
    """Cosines that are needed: of the masked sentences, of each to the query, and their sum."""

    alike: float
    answering: float
    total: float


_ASKED = _Least(alike=0.2, answering=0.19, total=0.55)
"""The question asks for just this value. All tuned on pairs that stand in no benchmark."""
_ASKED_NAME = _Least(alike=0.4, answering=0.2, total=0.75)
_CLOSED = _Least(alike=0.28, answering=0.2, total=0.72)
_CLOSED_WEAK = _Least(alike=0.35, answering=0.3, total=0.95)
_ONLY = _Least(alike=0.12, answering=0.15, total=0.4)
"""Both answers are short and each states only one such value."""
_ONLY_NAME = _Least(alike=0.25, answering=0.15, total=0.5)
_UNASKED = _Least(alike=0.75, answering=0.2, total=0.95)
_SEVERAL = _Least(alike=0.85, answering=0.2, total=1.05)
_MOST_PAIRS = 400
_SAME_WORDS = 0.6
_SAME_SUBJECT = 0.5
"""Cosine of two subjects of one verb: price and cost, not pan and lid."""
_SHORT = 2
"""Sentences of a short answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A sentence of each answer by its number, what differs, and how surely, -2..2."""

    left: int
    right: int
    kind: RivalKind
    values: tuple[str, str]
    strength: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    left: int
    right: int
    kind: RivalKind
    values: tuple[str, str]
    masked: tuple[str, str]
    subjects: tuple[str, ...]
    needed: _Least


def rivals(
    ours: Sequence[Claim], theirs: Sequence[Claim], query: str, encoder: Encoder
) -> list[Rival]:
    """Return what differs between two answers to one query, the most alike first. Blocks."""
    question = question_of(query)
    candidates = [
        candidate
        for left in range(len(ours))
        for right in range(len(theirs))
        if (candidate := _candidate(left, right, ours, theirs, question, query))
    ][:_MOST_PAIRS]
    texts = list(
        dict.fromkeys(
            (query, *(text for each in candidates for text in (*each.masked, *each.subjects)))
        )
    )
    if not candidates:
        return []
    vectors = dict(zip(texts, encoder.encode(texts), strict=True))
    found = []
    for each in candidates:
        one, other = (vectors[text] for text in each.masked)
        alike = float(one @ other)
        answering = min(float(vectors[query] @ one), float(vectors[query] @ other))
        about = [vectors[text] for text in each.subjects]
        if about and float(about[0] @ about[1]) < _SAME_SUBJECT:
            continue
        if _enough(each.needed, alike, answering):
            found.append(
                Rival(
                    left=each.left,
                    right=each.right,
                    kind=each.kind,
                    values=each.values,
                    strength=alike + answering,
                )
            )
    return sorted(found, key=lambda rival: -rival.strength)


def _enough(needed: _Least, alike: float, answering: float) -> bool:
    return (
        alike >= needed.alike
        and answering >= needed.answering
        and alike + answering >= needed.total
    )


def _candidate(
    left: int,
    right: int,
    ours: Sequence[Claim],
    theirs: Sequence[Claim],
    question: Question,
    query: str,
) -> _Candidate | None:
    one, other = ours[left], theirs[right]
    if overlap(one, other) >= _SAME_WORDS and other_subject(one, other):
        return None
    difference = (
        _other_value(one, other, ours, theirs, question)
        or _other_name(one, other, ours, theirs, question, query)
        or _other_verdict(one, other, question, query)
    )
    if difference is None:
        return None
    kind, values, needed = difference
    quotes = one.piece.quote, other.piece.quote
    masked = quotes
    if kind != "polarity":
        masked = (_masked(quotes[0], values[0]), _masked(quotes[1], values[1]))
    if apart(*masked, query):
        return None
    about = subjects(*masked) or () if kind == "number" else ()
    if question.several:
        needed = _SEVERAL
    return _Candidate(
        left=left,
        right=right,
        kind=kind,
        values=values,
        masked=masked,
        needed=needed,
        subjects=about,
    )


_Difference: TypeAlias = tuple[RivalKind, tuple[str, str], _Least]


def _other_value(
    one: Claim,
    other: Claim,
    ours: Sequence[Claim],
    theirs: Sequence[Claim],
    question: Question,
) -> _Difference | None:
    pairs = [
        (mine, yours)
        for mine in _unconfirmed(one, theirs)
        for yours in _unconfirmed(other, ours)
        if _comparable(mine, yours, question) and not mine.agrees(yours)
    ]
    families = {family(mine.dimension) for mine, _ in pairs}
    sorts = {mine.dimension for mine, yours in pairs if mine.comparable(yours)}
    # Where two things differ, one of them says what the other is about.
    if not pairs or len(families) > 1 or len(sorts) > 1:
        return None
    if all(_foreign_names(*side) for side in ((one, theirs), (other, ours))):
        return None
    mine, yours = pairs[-1]
    kind: RivalKind = "date" if family(mine.dimension) in ("date", "time") else "number"
    needed = _UNASKED
    if question.wants(mine.dimension):
        asked = family(mine.dimension)
        only = all(_measured(answer, asked) == 1 for answer in (ours, theirs))
        needed = _ONLY if only and _are_short(ours, theirs) else _ASKED
    return kind, (mine.text, yours.text), needed


def _other_name(
    one: Claim,
    other: Claim,
    ours: Sequence[Claim],
    theirs: Sequence[Claim],
    question: Question,
    query: str,
) -> _Difference | None:
    asked = stems(query)
    left, right = _foreign_names(one, theirs), _foreign_names(other, ours)
    left = [name for name in left if not stems(name.text) <= asked]
    right = [name for name in right if not stems(name.text) <= asked]
    if not question.name or not 0 < len(left) <= 2 or not 0 < len(right) <= 2:
        return None
    only = len(left) == len(right) == 1 and _are_short(ours, theirs)
    return "name", (left[0].text, right[0].text), _ONLY_NAME if only else _ASKED_NAME


def _other_verdict(one: Claim, other: Claim, question: Question, query: str) -> _Difference | None:
    if not question.closed:
        return None
    ours, theirs = verdict(one.piece.quote, query), verdict(other.piece.quote, query)
    if ours is None or theirs is None or ours.says_yes == theirs.says_yes:
        return None
    values = ("yes", "no") if ours.says_yes else ("no", "yes")
    return "polarity", values, _CLOSED if min(ours.weight, theirs.weight) > 1 else _CLOSED_WEAK


def _comparable(mine: Measure, yours: Measure, question: Question) -> bool:
    alike = family(mine.dimension) == family(yours.dimension) and question.wants(mine.dimension)
    # Two currencies are two ways to say one price, dates and weekdays two ways to say one day.
    exact = mine.dimension.split(" of ")[0] == yours.dimension.split(" of ")[0]
    counts = family(mine.dimension) == "count"
    return mine.comparable(yours) or (alike and (exact or counts))


def _unconfirmed(claim: Claim, others: Sequence[Claim]) -> list[Measure]:
    told = [measure for other in others for measure in other.measures]
    return [
        mine
        for mine in claim.measures
        if not any(_same_sort(mine, yours) and mine.agrees(yours) for yours in told)
    ]


def _same_sort(mine: Measure, yours: Measure) -> bool:
    return family(mine.dimension) == family(yours.dimension)


def _measured(answer: Sequence[Claim], asked: str) -> int:
    """Return how many values of a family an answer states; a range is one."""
    return len({m.text for claim in answer for m in claim.measures if family(m.dimension) == asked})


def _are_short(ours: Sequence[Claim], theirs: Sequence[Claim]) -> bool:
    return max(len(ours), len(theirs)) <= _SHORT


def _foreign_names(claim: Claim, others: Sequence[Claim]) -> list[Fact]:
    return [
        name
        for name, _ in claim.names
        if not is_calendar(name.text) and not any(other.facts.holds(name) for other in others)
    ]


def _masked(text: str, value: str) -> str:
    return " ".join(text.replace(value, "…", 1).split())
