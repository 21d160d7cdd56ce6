"""The agents of a board, ready to be compared with queries.

Two stages. All agents are compared by what costs one product each; the best of them by every
example and every token of their descriptions. In a large catalogue not even the first stage sees
all: an approximate index and the words of the query say who may be near.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ...search.approximate import ApproximateIndex
from ...search.encoder import Vectors
from ...search.hits import Slots, top
from ...search.lexical import LexicalIndex
from .heads import Heads
from .interaction import Interaction
from .knowledge import Knowledge
from .query import QueryViews
from .scoring import WEIGHTS, Signals, Weights, first_scores, relevance

COMPARED = 16
"""Agents that reach the second stage."""
LARGE = 10_000
"""From this many agents on, the first stage sees those alone that may be near."""
_NEAR, _WORDED = 300, 100
"""Directions, and texts with words of the query, that say who may be near."""
_KINDS = 3
"""Directions of an agent: its name, all that it says, all its examples."""
_NEAREST = 3
"""Examples whose mean counts: one may be a slip, all would hide that an agent has several uses."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The text of an agent that is nearest to the query: its kind, its words and their cosine."""

    kind: str
    text: str
    cosine: float


@dataclass(frozen=True, slots=True)
class Match:
    """How well an agent fits a query: `relevance` is a logit.

    It holds what was `known` of the agent when it was compared, for it may be gone by now.
    """

    agent: str
    relevance: float
    known: Knowledge = field(repr=False, compare=False)

    def evidence(self, vector: Vectors) -> Evidence:
        """Return what is nearest to a query's vector `(dim,)` in the agent."""
        known = self.known
        found = [
            Evidence(kind, text, float(cosine))
            for kind, texts, vectors in (
                ("example", known.texts.examples, known.examples),
                ("description", known.texts.phrases, known.phrases),
            )
            for text, cosine in zip(texts, vectors @ vector, strict=True)
        ]
        return max(found, key=lambda one: one.cosine)


class AgentIndex:
    """Knowledge of agents by name. May be used from any thread.

    `usual` is the mean vector `(dim,)` of everyday queries: what is taken from every query, so that
    agents that are near to everything have no advantage.
    """

    def __init__(
        self, usual: Vectors, interaction: Interaction, weights: Weights = WEIGHTS
    ) -> None:
        self._usual = usual
        self._weights = weights
        self._interaction = interaction
        self._lock = Lock()
        self._slots = Slots()
        self._lexical = LexicalIndex()
        self._known: dict[str, Knowledge] = {}
        # By slot: the directions of name, of all that is said, and of all examples.
        self._directions = np.zeros((3, 0, len(usual)), np.float32)
        self._near = ApproximateIndex(len(usual), exact_below=LARGE)
        self._examples = np.zeros(0, np.float32)
        self._used = np.zeros(0, bool)
        self._taken_by: tuple[Heads, NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return len(self._known)

    @property
    def known(self) -> Mapping[str, Knowledge]:
        """What is known of every agent, as it stands now."""
        with self._lock:
            return dict(self._known)

    def put(self, known: Mapping[str, Knowledge]) -> None:
        """Add agents, or put them in the place of those of the same name."""
        texts = [f"{one.texts.name} {one.texts.document}" for one in known.values()]
        with self._lock:
            self._remove(known)
            self._lexical.add(tuple(known), texts)
            for name, one in known.items():
                slot = self._slots.take(name)
                self._make_room()
                self._directions[:, slot] = one.name, one.said, one.taught
                self._examples[slot] = len(one.examples)
                self._used[slot] = True
                self._known[name] = one
                ids = self._near_ids(slot, one)
                self._near.add(ids, self._directions[[id_ % _KINDS for id_ in ids], slot])
            self._taken_by = None

    def remove(self, names: Iterable[str]) -> None:
        """Remove agents; those that are not there are passed over."""
        with self._lock:
            self._remove(names)

    def compare(
        self,
        query: QueryViews,
        *,
        heads: Heads | None = None,
        exclude: Collection[str] = (),
        also: Collection[str] = (),
    ) -> list[Match]:
        """Return the agents that fit best, best first, at most `COMPARED` and those in `also`."""
        with self._lock:
            if not self._known:
                return []
            return self._compare(query, heads, exclude, also)

    @property
    def due(self) -> bool:
        """Whether `rebuild` would make comparing quicker, or keep it as good as it was."""
        return self._near.due

    def rebuild(self) -> None:
        """Learn anew who is near in a large catalogue. Blocks for seconds, and no one else."""
        self._near.rebuild()

    def _compare(
        self,
        query: QueryViews,
        heads: Heads | None,
        exclude: Collection[str],
        also: Collection[str],
    ) -> list[Match]:
        centred = query.mean - self._usual
        words = self._words(query)
        slots = self._first(centred, words, exclude, also)
        names, said, taught = self._directions[:, slots] @ centred
        signals = Signals(
            name=names,
            said=said,
            taught=taught,
            words=words[slots],
            head_meaning=np.full(len(slots), np.nan, np.float32),
            head_words=np.full(len(slots), np.nan, np.float32),
        )
        if heads is not None:
            self._ask_heads(signals, slots, heads, query)
        places = top(first_scores(signals, self._examples[slots], self._weights), COMPARED)
        wanted = {self._slots.number(name) for name in also if name in self._slots}
        missing = np.flatnonzero(np.isin(slots, list(wanted)))
        places += [int(place) for place in missing if place not in places]
        chosen = np.array(places, np.int64)
        return self._match(slots[chosen], signals.at(chosen), query, centred)

    def _first(
        self, centred: Vectors, words: Vectors, exclude: Collection[str], also: Collection[str]
    ) -> NDArray[np.int64]:
        """Return the slots that the first stage compares."""
        if len(self._known) < LARGE:
            found = np.flatnonzero(self._used[: self._slots.size])
        else:
            ids, _ = self._near.search(centred, _NEAR)
            named = [self._slots.number(name) for name in also if name in self._slots]
            found = np.unique(np.concatenate([ids // _KINDS, top(words, _WORDED), named]))
            found = found[self._used[found.astype(np.int64)]].astype(np.int64)
        left_out = [self._slots.number(name) for name in exclude if name in self._slots]
        return found[~np.isin(found, left_out)] if left_out else found

    def _match(
        self, slots: NDArray[np.int64], signals: Signals, query: QueryViews, centred: Vectors
    ) -> list[Match]:
        known = [self._known[self._slots.id(int(slot))] for slot in slots]
        nearest = np.zeros(len(slots), np.float32)
        foreign = np.full(len(slots), -1.0, np.float32)
        for place, one in enumerate(known):
            cosines = one.examples @ centred
            if len(cosines):
                few = min(_NEAREST, len(cosines))
                nearest[place] = np.partition(cosines, -few)[-few:].mean()
            if len(one.not_its):
                own = max(
                    (one.phrases @ query.vector).max(),
                    (one.examples @ query.vector).max(initial=-1),
                )
                foreign[place] = (one.not_its @ query.vector).max() - own
        seen = replace(signals, tokens=self._tokens(known, query), nearest=nearest)
        scores = relevance(seen, self._examples[slots], foreign, self._weights)
        order = np.argsort(-scores, kind="stable")
        return [Match(self._slots.id(int(slots[i])), float(scores[i]), known[i]) for i in order]

    def _tokens(self, known: list[Knowledge], query: QueryViews) -> Vectors:
        """Return the similarities by late interaction; NaN where a document was not read so."""
        found = np.full(len(known), np.nan, np.float32)
        read = [(place, one.tokens) for place, one in enumerate(known) if one.tokens is not None]
        if read:
            places, documents = zip(*read, strict=True)
            found[list(places)] = np.sum(
                [
                    view.weight * self._interaction.similarities(view.reading, documents)
                    for view in query.views
                ],
                axis=0,
            )
        return found

    def _words(self, query: QueryViews) -> Vectors:
        scores = [view.weight * self._lexical.slot_scores(view.text) for view in query.views]
        total: Vectors = np.nan_to_num(np.sum(scores, axis=0, dtype=np.float32))
        return total

    def _ask_heads(
        self,
        signals: Signals,
        slots: NDArray[np.int64],
        heads: Heads,
        query: QueryViews,
    ) -> None:
        places = self._places(heads)[slots]
        known = places >= 0
        signals.head_meaning[known] = heads.meaning(query.mean)[places[known]]
        words = np.sum([view.weight * heads.words(view.text) for view in query.views], axis=0)
        signals.head_words[known] = words[places[known]]

    def _places(self, heads: Heads) -> NDArray[np.int64]:
        """Return each slot's place in the heads, -1 for agents that these have not learned."""
        if self._taken_by is None or self._taken_by[0] is not heads:
            found = np.full(self._slots.size, -1, np.int64)
            for name, place in heads.places.items():
                if self._known.get(name) is heads.learned[name]:
                    found[self._slots.number(name)] = place
            self._taken_by = heads, found
        return self._taken_by[1]

    def _near_ids(self, slot: int, one: Knowledge) -> list[int]:
        """Return the ids of an agent's directions in the approximate index."""
        return [_KINDS * slot + kind for kind in range(_KINDS if len(one.examples) else _KINDS - 1)]

    def _make_room(self) -> None:
        size, room = self._slots.size, len(self._used)
        if size > room:
            more = max(64, room // 2)
            self._directions = np.pad(self._directions, ((0, 0), (0, more), (0, 0)))
            self._examples = np.pad(self._examples, (0, more))
            self._used = np.pad(self._used, (0, more))

    def _remove(self, names: Iterable[str]) -> None:
        gone = [name for name in names if name in self._known]
        self._lexical.remove(gone)
        for name in gone:
            slot = self._slots.number(name)
            self._near.remove(self._near_ids(slot, self._known[name]))
            self._slots.drop(name)
            self._used[slot] = False
            del self._known[name]
        self._taken_by = None
