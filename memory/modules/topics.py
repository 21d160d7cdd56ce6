"""topics: what passages are about, as key terms."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from ...values import ModuleSpec
from .base import Module, Outcome, Reading, rules
from .words import content_words

MOST_TOPICS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A key term, and the passages that it stands in."""

    text: str
    chunk_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """The key terms, the weightiest first."""

    topics: tuple[Topic, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The terms, as a policy reads them."""
        return tuple(topic.text for topic in self.topics)


def find_topics(given: Reading) -> Topics:
    """Take the words and pairs of neighbouring words that are said most often.

    A pair counts twice, for it says more; a word that is only part of a chosen pair is left out.
    """
    counts: Counter[str] = Counter()
    places: dict[str, dict[str, None]] = {}
    for passage in given.passages:
        words = content_words(passage.text)
        for term in (*words, *(f"{one} {two}" for one, two in pairwise(words) if one != two)):
            counts[term] += 2 if " " in term else 1
            places.setdefault(term, {})[passage.id] = None
    chosen: list[str] = []
    for term, count in counts.most_common():
        if count < 3 or len(chosen) == MOST_TOPICS:
            break
        if not any(term in one.split() or one in term.split() for one in chosen):
            chosen.append(term)
    return Topics(topics=tuple(Topic(text=term, chunk_ids=tuple(places[term])) for term in chosen))


TOPICS: Module[Reading, Topics] = Module(
    spec=ModuleSpec(
        name="topics",
        description=(
            "Finds what the passages kept are about: subjects, plans, opinions, and where one "
            "subject gives way to the next. Pays when the query is broad, asks for an overview, a "
            "reason or a comparison, or uses other words than those that were said."
        ),
    ),
    returns=Outcome[Topics],
    tiers={"low": rules(find_topics)},
)
