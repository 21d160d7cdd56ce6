"""Where two agents answer one question differently, however they word it.

The question says which value is asked for; two sentences that state different ones of it and are
near in meaning once these values are masked can't both hold. Words say what similarity can't: that
one is about adults and the other about children.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeAlias

from ...search.encoder import Encoder
from ..sentences import stems
from .claims import Claim, other_subject, overlap
from .contrasts import Verdict, apart, subjects, verdict
from .facts import Fact
from .measures import Measure
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
class _Side:
    """A sentence by its number, and what it says that the other answer does not confirm.

    `names` come with their stems; `verdict` only where the question is closed.
    """

    number: int
    claim: Claim
    measures: Sequence[Measure]
    names: Sequence[tuple[Fact, frozenset[str]]]
    verdict: Verdict | None


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
    lefts = _sides(ours, theirs, question, query)
    rights = _sides(theirs, ours, question, query)
    pairs = (
        _candidate(left, right, ours, theirs, question, query) for left in lefts for right in rights
    )
    candidates = list(islice(filter(None, pairs), _MOST_PAIRS))
    if not candidates:
        return []
    texts = list(
        dict.fromkeys(
            (query, *(text for each in candidates for text in (*each.masked, *each.subjects)))
        )
    )
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


def _sides(
    answer: Sequence[Claim], other: Sequence[Claim], question: Question, query: str
) -> list[_Side]:
    told = [measure for claim in other for measure in claim.measures]
    return [
        _Side(
            number=number,
            claim=claim,
            measures=[
                mine
                for mine in claim.measures
                if not any(_same_sort(mine, yours) and mine.agrees(yours) for yours in told)
            ],
            names=[each for each in claim.names if not any(o.facts.holds(each[0]) for o in other)],
            verdict=verdict(claim.piece.quote, query) if question.closed else None,
        )
        for number, claim in enumerate(answer)
    ]


def _candidate(
    left: _Side,
    right: _Side,
    ours: Sequence[Claim],
    theirs: Sequence[Claim],
    question: Question,
    query: str,
) -> _Candidate | None:
    difference = (
        _other_value(left, right, ours, theirs, question)
        or _other_name(left, right, ours, theirs, question, query)
        or _other_verdict(left, right)
    )
    if difference is None:
        return None
    one, other = left.claim, right.claim
    if overlap(one, other) >= _SAME_WORDS and other_subject(one, other):
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
        left=left.number,
        right=right.number,
        kind=kind,
        values=values,
        masked=masked,
        needed=needed,
        subjects=about,
    )


_Difference: TypeAlias = tuple[RivalKind, tuple[str, str], _Least]


def _other_value(
    left: _Side,
    right: _Side,
    ours: Sequence[Claim],
    theirs: Sequence[Claim],
    question: Question,
) -> _Difference | None:
    pairs = [
        (mine, yours)
        for mine in left.measures
        for yours in right.measures
        if _comparable(mine, yours, question) and not mine.agrees(yours)
    ]
    families = {family(mine.dimension) for mine, _ in pairs}
    sorts = {mine.dimension for mine, yours in pairs if mine.comparable(yours)}
    # Where two things differ, one of them says what the other is about.
    if not pairs or len(families) > 1 or len(sorts) > 1:
        return None
    if left.names and right.names:
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
    left: _Side,
    right: _Side,
    ours: Sequence[Claim],
    theirs: Sequence[Claim],
    question: Question,
    query: str,
) -> _Difference | None:
    if not (question.name and left.names and right.names):
        return None
    asked = stems(query)
    mine = [name for name, own in left.names if not own <= asked]
    yours = [name for name, own in right.names if not own <= asked]
    if not 0 < len(mine) <= 2 or not 0 < len(yours) <= 2:
        return None
    only = len(mine) == len(yours) == 1 and _are_short(ours, theirs)
    return "name", (mine[0].text, yours[0].text), _ONLY_NAME if only else _ASKED_NAME


def _other_verdict(left: _Side, right: _Side) -> _Difference | None:
    ours, theirs = left.verdict, right.verdict
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


def _same_sort(mine: Measure, yours: Measure) -> bool:
    return family(mine.dimension) == family(yours.dimension)


def _measured(answer: Sequence[Claim], asked: str) -> int:
    """Return how many values of a family an answer states; a range is one."""
    return len({m.text for claim in answer for m in claim.measures if family(m.dimension) == asked})


def _are_short(ours: Sequence[Claim], theirs: Sequence[Claim]) -> bool:
    return max(len(ours), len(theirs)) <= _SHORT


def _masked(text: str, value: str) -> str:
    return " ".join(text.replace(value, "…", 1).split())
