"""Where two agents contradict each other, found without any model.

Two sentences of different agents are about the same thing when most of their content words agree
once numbers, negations and names are set aside. They conflict when one then has a number of the
same kind, a date, a yes or no, or a name that the other replaces by a different one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from ...search.encoder import Encoder
from ..sentences import Piece, stems
from .claims import Claim, claims_of, likeness, other_subject, overlap
from .facts import Fact
from .measures import Measure
from .polarity import opposed
from .rivals import Rival, rivals

ConflictKind = Literal["number", "date", "polarity", "name"]

_MOST = 100
_SAME = 0.5
_SAME_APART = 0.8
"""Answers to different wishes of one query: only sentences that nearly match are compared."""
_SAME_NAME = 0.6
_SAME_POLARITY = 0.25
"""A denied word alone says little: a long sentence must be about the same as a whole."""
_DATES = {"date", "time", "weekday", "month"}
_EXPLANATION = {
    "number": "They give different numbers",
    "date": "They give different dates or times",
    "polarity": "One says what the other denies",
    "name": "They name different things",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Two agents' sentences that can't both hold. `values` are the words that differ."""

    kind: ConflictKind
    agents: tuple[str, str]
    quotes: tuple[str, str]
    values: tuple[str, str]

    @property
    def text(self) -> str:
        """The conflict shown and explained, for the user."""
        sides = ", ".join(
            f"{agent} says “{quote.rstrip('.;, ')}”"
            for agent, quote in zip(self.agents, self.quotes, strict=True)
        )
        differ = "" if self.kind == "polarity" else f": {self.values[0]} and {self.values[1]}"
        return f"The agents disagree: {sides}. {_EXPLANATION[self.kind]}{differ}."


def conflicts(
    answers: Sequence[tuple[str, Sequence[Piece]]],
    query: str,
    wishes: Mapping[str, str] | None = None,
    encoder: Encoder | None = None,
) -> tuple[Conflict, ...]:
    """Return the conflicts between the answers, given as `(agent, pieces)`.

    Each sentence stands in at most one conflict for each pair of agents. `wishes` holds the part
    of the query that an agent was asked, where it was split. With an encoder, two answers to one
    question may also be worded differently; this blocks.
    """
    asked = {agent: (wishes or {}).get(agent, query) for agent, _ in answers}
    claims = [(agent, _claims(parts, stems(asked[agent]))) for agent, parts in answers]
    found: list[Conflict] = []
    for (agent, ours), (other_agent, theirs) in combinations(claims, 2):
        agents = agent, other_agent
        together = asked[agent] == asked[other_agent]
        found += _between(agents, ours, theirs, _SAME if together else _SAME_APART)
        if encoder and together:
            used = {quote for conflict in found for quote in conflict.quotes}
            found += _reworded(
                agents, ours, theirs, rivals(ours, theirs, asked[agent], encoder), used
            )
    return tuple(found)


def _claims(parts: Sequence[Piece], context: frozenset[str]) -> list[Claim]:
    return claims_of([part for part in parts if part.kind != "block"][:_MOST], context)


def contradicts(claim: Claim, source: Claim) -> bool:
    """Return whether two sentences on the same thing can't both hold."""
    if "block" in (claim.piece.kind, source.piece.kind) or likeness(claim, source) < _SAME:
        return False
    return _compare(claim, source, [source], [claim]) is not None


def _between(
    agents: tuple[str, str], ours: Sequence[Claim], theirs: Sequence[Claim], same: float
) -> list[Conflict]:
    alike = [[likeness(one, other) for other in theirs] for one in ours]
    rated = [
        (-alike[left][right], left, right)
        for left in range(len(ours))
        for right in range(len(theirs))
        if alike[left][right] >= same
    ]
    near_ours = [_near(one, theirs, row) for one, row in zip(ours, alike, strict=True)]
    near_theirs = [
        _near(other, ours, [row[right] for row in alike]) for right, other in enumerate(theirs)
    ]
    found: list[Conflict] = []
    used: set[tuple[str, int]] = set()
    for _, left, right in sorted(rated):
        sides = {("left", left), ("right", right)}
        if sides & used:
            continue
        difference = _compare(ours[left], theirs[right], near_ours[left], near_theirs[right])
        if difference:
            used |= sides
            kind, values = difference
            quotes = ours[left].piece.quote, theirs[right].piece.quote
            found.append(Conflict(kind=kind, agents=agents, quotes=quotes, values=values))
    return found


def _reworded(
    agents: tuple[str, str],
    ours: Sequence[Claim],
    theirs: Sequence[Claim],
    differences: Sequence[Rival],
    used: set[str],
) -> list[Conflict]:
    """Return the conflicts of the most alike sentences, each of which is used once."""
    found = []
    for each in differences:
        quotes = ours[each.left].piece.quote, theirs[each.right].piece.quote
        if used.isdisjoint(quotes):
            used |= set(quotes)
            found.append(Conflict(kind=each.kind, agents=agents, quotes=quotes, values=each.values))
    return found


def _near(claim: Claim, others: Sequence[Claim], alike: Sequence[float]) -> list[Claim]:
    """Return the sentences of the other agent on the same thing.

    A later clause counts only by its own words here: in "It is in Bonn; Rome was given up" the
    second clause does not support Rome.
    """
    return [
        other
        for other, strength in zip(others, alike, strict=True)
        if strength >= _SAME
        and (not other.clause or likeness(claim, replace(other, context=frozenset())) >= _SAME)
    ]


def _compare(
    one: Claim, other: Claim, theirs: Sequence[Claim], ours: Sequence[Claim]
) -> tuple[ConflictKind, tuple[str, str]] | None:
    """Return in what two sentences on the same thing differ, if they can't both hold.

    `theirs` and `ours` are the sentences near `one` and `other`: what they confirm is no conflict.
    """
    if other_subject(one, other):
        return None
    names = _own_names(one, theirs), _own_names(other, ours)
    left, right = _own_measures(one, theirs), _own_measures(other, ours)
    rivals = [(mine, yours) for mine in left for yours in right if mine.comparable(yours)]
    alike = one.context or other.context or overlap(one, other) >= _SAME_POLARITY
    if alike and not all(names) and (pair := opposed(one.signs, other.signs)):
        return "polarity", pair
    # Where two things differ, one of them says what the other is about: 4 in Oslo, 19 in Rome.
    if all(names) and not rivals and likeness(one, other) >= _SAME_NAME:
        pairs = [(a, b) for a in names[0] for b in names[1] if a.kind == b.kind]
        if pairs and all(len(found) <= 2 for found in names):
            return "name", (pairs[0][0].text, pairs[0][1].text)
    dimensions = {mine.dimension for mine, _ in rivals}
    if not all(names) and len(dimensions) == 1:
        mine, yours = rivals[-1]
        return "date" if dimensions <= _DATES else "number", (mine.text, yours.text)
    return None


def _own_names(claim: Claim, near: Sequence[Claim]) -> list[Fact]:
    return [name for name, _ in claim.names if not any(other.facts.holds(name) for other in near)]


def _own_measures(claim: Claim, near: Sequence[Claim]) -> list[Measure]:
    told = [measure for other in near for measure in other.measures]
    return [m for m in claim.measures if not any(m.comparable(o) and m.agrees(o) for o in told)]
