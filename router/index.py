"""The agents of a board, ready to be compared with queries.

Two stages. All agents are compared by what costs one product each; the best of them by every
example and every token of their descriptions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ..search.encoder import Vectors
from ..search.hits import Slots, top
from ..search.lexical import LexicalIndex
from .heads import Heads
from .interaction import Interaction
from .knowledge import Knowledge
from .query import QueryViews
from .scoring import Signals, first_scores, relevance

COMPARED = 32
"""Agents that reach the second stage."""
_NEAREST = 3
"""Examples whose mean counts: one may be a slip, all would hide that an agent has several uses."""


@dataclass(frozen=True, slots=True)
class Match:
    """How well an agent fits a query: `relevance` is a logit."""

    agent: str
    relevance: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """The text of an agent that is nearest to the query: its kind, its words and their cosine."""

    kind: str
    text: str
    cosine: float


class AgentIndex:
    """Knowledge of agents by name. May be used from any thread.

    `usual` is the mean vector `(dim,)` of everyday queries: what is taken from every query, so that
    agents that are near to everything have no advantage.
    """

    def __init__(self, usual: Vectors, interaction: Interaction) -> None:
        self._usual = usual
        self._interaction = interaction
        self._lock = Lock()
        self._slots = Slots()
        self._lexical = LexicalIndex()
        self._known: dict[str, Knowledge] = {}
        # By slot: the directions of name, of all that is said, and of all examples.
        self._directions = np.zeros((3, 0, len(usual)), np.float32)
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

    def evidence(self, name: str, vector: Vectors) -> Evidence:
        """Return what is nearest to a query's vector `(dim,)` in an agent."""
        known = self._known[name]
        found = [
            Evidence(kind, text, float(cosine))
            for kind, texts, vectors in (
                ("example", known.texts.examples, known.examples),
                ("description", known.texts.phrases, known.phrases),
            )
            for text, cosine in zip(texts, vectors @ vector, strict=True)
        ]
        return max(found, key=lambda one: one.cosine)

    def _compare(
        self,
        query: QueryViews,
        heads: Heads | None,
        exclude: Collection[str],
        also: Collection[str],
    ) -> list[Match]:
        size = self._slots.size
        centred = query.mean - self._usual
        names, said, taught = self._directions[:, :size] @ centred
        signals = Signals(
            name=names,
            said=said,
            taught=taught,
            words=self._words(query),
            examples=self._examples[:size],
            head_meaning=np.full(size, np.nan, np.float32),
            head_words=np.full(size, np.nan, np.float32),
        )
        if heads is not None:
            self._ask_heads(signals, heads, query, centred)
        first = np.where(self._used[:size], first_scores(signals), np.nan)
        first[[self._slots.number(name) for name in exclude if name in self._slots]] = np.nan
        chosen = top(first, COMPARED)
        for name in also:
            slot = self._slots.number(name) if name in self._slots else None
            if slot is not None and slot not in chosen and not np.isnan(first[slot]):
                chosen.append(slot)
        return self._match(np.array(chosen, np.int64), signals, query, centred)

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
        scores = relevance(
            signals.at(slots),
            nearest=nearest,
            foreign=foreign,
            tokens=self._tokens(known, query),
        )
        order = np.argsort(-scores, kind="stable")
        return [Match(self._slots.id(int(slots[i])), float(scores[i])) for i in order]

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
        self, signals: Signals, heads: Heads, query: QueryViews, centred: Vectors
    ) -> None:
        slots, places = self._places(heads)
        signals.head_meaning[slots] = heads.meaning(centred)[places]
        words = np.sum([view.weight * heads.words(view.text) for view in query.views], axis=0)
        signals.head_words[slots] = words[places]

    def _places(self, heads: Heads) -> NDArray[np.int64]:
        """Return the slots of the agents that the heads know, and their places in the heads."""
        if self._taken_by is None or self._taken_by[0] is not heads:
            found = [
                (self._slots.number(name), place)
                for name, place in heads.places.items()
                if name in self._slots and self._known[name] is heads.learned[name]
            ]
            self._taken_by = heads, np.array(found, np.int64).reshape(-1, 2).T
        return self._taken_by[1]

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
            slot = self._slots.drop(name)
            self._used[slot] = False
            del self._known[name]
        self._taken_by = None
