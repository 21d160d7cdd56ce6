"""topics: what passages are about, as key terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...values import ModuleSpec
from .asking import Answer, Question, cited
from .base import Outcome, Reading, Worked
from .words import REMEMBERED, content_words

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

    def with_more(self, more: Topics) -> Topics:
        """Return these, and as many other ones of `more` as there may be."""
        known = {one.text.casefold() for one in self.topics}
        new = (one for one in more.topics if one.text.casefold() not in known)
        return Topics(topics=(*self.topics, *new)[:MOST_TOPICS])


def find_topics(given: Reading) -> Topics:
    """Take the words and pairs of neighbouring words that are said most often.

    A pair counts twice, for it says more; a word that is only part of a chosen pair is left out.
    """
    counts: Counter[str] = Counter()
    for passage in given.passages:
        words, pairs = _terms(passage.text)
        counts.update(chain(words, pairs, pairs))
    chosen: list[str] = []
    for term, count in counts.most_common():
        if count < 3 or len(chosen) == MOST_TOPICS:
            break
        if not any(term in one.split() or one in term.split() for one in chosen):
            chosen.append(term)
    said = {one.id: frozenset(chain(*_terms(one.text))) for one in given.passages}
    return Topics(
        topics=tuple(
            Topic(text=term, chunk_ids=tuple(id_ for id_, terms in said.items() if term in terms))
            for term in chosen
        )
    )


def find_relevant_topics(given: Reading) -> Topics:
    """Take the terms of the passages that fit the query best, each saying something new.

    A term weighs what the passages with it are relevant, the more the fewer hold it; terms of the
    same passages are taken for one subject. Source: maximal marginal relevance, Carbonell and
    Goldstein, SIGIR 1998, as in KeyBERT, over passages in the place of embeddings.
    """
    places: dict[str, set[str]] = {}
    for passage in given.passages:
        for term in chain(*_terms(passage.text)):
            places.setdefault(term, set()).add(passage.id)
    weights = {one.id: one.relevance or 0.0 for one in given.passages}
    asked = frozenset(content_words(given.query))
    scores = {
        term: sum(weights[id_] for id_ in ids) / (1 + len(ids)) * (2 if " " in term else 1)
        for term, ids in places.items()
        if not asked.issuperset(term.split())
    }
    promising = sorted(scores, key=lambda term: (-scores[term], term))[: 4 * MOST_TOPICS]
    alike = _likeness([places[term] for term in promising])
    worth = np.array([scores[term] for term in promising])
    new, nearest = np.ones(len(promising), np.bool_), np.zeros(len(promising))
    chosen: list[str] = []
    while len(chosen) < MOST_TOPICS and new.any():
        best = int(np.argmax(np.where(new, worth * (1 - nearest), -np.inf)))
        new[best] = False
        term = promising[best]
        if not any(set(term.split()) & set(one.split()) for one in chosen):
            chosen.append(term)
            nearest = np.maximum(nearest, alike[best])
    return Topics(
        topics=tuple(Topic(text=term, chunk_ids=tuple(sorted(places[term]))) for term in chosen)
    )


@lru_cache(REMEMBERED)
def _terms(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words, and the pairs of neighbouring words, as often as they are said."""
    words = content_words(text)
    return words, tuple(f"{one} {two}" for one, two in pairwise(words) if one != two)


def _likeness(places: Sequence[set[str]]) -> NDArray[np.float64]:
    """Return how far terms stand in the same passages: Jaccard's index 0..1, `(n, n)`."""
    numbers = {id_: number for number, id_ in enumerate(sorted(set().union(*places)))}
    holds = np.zeros((len(places), len(numbers)))
    for row, ids in enumerate(places):
        holds[row, [numbers[id_] for id_ in ids]] = 1
    both = holds @ holds.T
    sizes = holds.sum(axis=1)
    found: NDArray[np.float64] = both / np.maximum(sizes[:, None] + sizes - both, 1)
    return found


class _Named(Answer):
    topic: str = Field(min_length=1, max_length=80)
    excerpts: list[int] = Field(max_length=6)


class TopicsAnswer(Answer):
    """What a model found."""

    found: list[_Named] = Field(max_length=5)


def _read(given: Reading, reply: TopicsAnswer) -> Worked[Topics]:
    topics = [
        Topic(text=one.topic, chunk_ids=tuple(p.id for p in passages))
        for one in reply.found
        if (passages := cited(one.excerpts, given.passages))
    ]
    left = len(reply.found) - len(topics)
    note = f"{left} of {len(reply.found)} topics name no excerpt: left out." if left else ""
    return Worked(found=Topics(topics=tuple(topics)), note=note)


SPEC = ModuleSpec(
    name="topics",
    description=(
        "Finds what the passages kept are about: subjects, plans, opinions, and where one "
        "subject gives way to the next. Pays when the query is broad, asks for an overview, a "
        "reason or a comparison, or uses other words than those that were said."
    ),
)
RETURNS = Outcome[Topics]
ASKED: Question[Reading, TopicsAnswer, Topics] = Question(
    name="topics",
    reply=TopicsAnswer,
    passages=lambda given: given.passages,
    query=lambda given: given.query,
    read=_read,
)
