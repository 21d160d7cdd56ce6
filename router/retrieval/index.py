"""The agents of a board, ready to be compared with queries.

Two stages. All agents are compared by what costs one product each; the best of them by every
example and every token of their descriptions. In a large catalogue not even the first stage sees
all: an approximate index and the words of the query say who may be near.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ...search.approximate import ApproximateIndex
from ...search.encoder import Vectors
from ...search.hits import Slots, top
from ...search.lexical import LexicalIndex
from .closeness import Closeness, closeness
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
    closeness: Closeness = field(repr=False, compare=False)

    @property
    def evidence(self) -> Evidence:
        """What is nearest to the query in the agent."""
        texts, place = self.known.texts, self.closeness.place
        examples = len(texts.examples)
        if place < examples:
            return Evidence("example", texts.examples[place], self.closeness.cosine)
        return Evidence("description", texts.phrases[place - examples], self.closeness.cosine)


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
        only: Collection[str] | None = None,
        also: Collection[str] = (),
    ) -> list[Match]:
        """Return the agents that fit best, best first, at most `COMPARED` and those in `also`.

        Those in `exclude` are left out, and all that are not in `only`.
        """
        (found,) = self.compare_all([query], heads=heads, exclude=exclude, only=only, also=[also])
        return found

    def compare_all(
        self,
        queries: Sequence[QueryViews],
        *,
        heads: Heads | None,
        exclude: Collection[str],
        only: Collection[str] | None,
        also: Sequence[Collection[str]],
    ) -> list[list[Match]]:
        """Return the same for several queries, each with its own `also`."""
        with self._lock:
            if not self._known:
                return [[] for _ in queries]
            if len(self._known) < LARGE:
                return self._compare(queries, heads, exclude, only, also)
            # Who may be near is another question for each of them.
            return [
                self._compare([query], heads, exclude, only, [names])[0]
                for query, names in zip(queries, also, strict=True)
            ]

    @property
    def due(self) -> bool:
        """Whether `rebuild` would make comparing quicker, or keep it as good as it was."""
        return self._near.due

    def rebuild(self) -> None:
        """Learn anew who is near in a large catalogue. Blocks for seconds, and no one else."""
        self._near.rebuild()

    def _compare(
        self,
        queries: Sequence[QueryViews],
        heads: Heads | None,
        exclude: Collection[str],
        only: Collection[str] | None,
        also: Sequence[Collection[str]],
    ) -> list[list[Match]]:
        centred = np.array([query.mean_meaning for query in queries]) - self._usual
        words = np.array([self._words(query) for query in queries])
        wanted = [[self._slots.number(one) for one in some if one in self._slots] for some in also]
        slots = self._first(centred, words, exclude, only, wanted)
        names, said, taught = self._cosines(slots, centred)
        meaning, spelled = self._ask_heads(slots, heads, queries)
        signals = Signals(
            name=names,
            said=said,
            taught=taught,
            words=words[:, slots],
            head_meaning=meaning,
            head_words=spelled,
        )
        # In a small board all queries meet the same agents, and are compared together.
        together: dict[tuple[int, ...], list[int]] = {}
        for number, places in enumerate(self._second(signals, slots, wanted)):
            together.setdefault(places, []).append(number)
        found: list[list[Match]] = [[] for _ in queries]
        for places, numbers in together.items():
            asked, at = np.array(numbers, np.int64), np.array(places, np.int64)
            matches = self._match(
                slots[at], signals.at(asked, at), [queries[n] for n in numbers], centred[asked]
            )
            for number, some in zip(numbers, matches, strict=True):
                found[number] = some
        return found

    def _first(
        self,
        centred: Vectors,
        words: Vectors,
        exclude: Collection[str],
        only: Collection[str] | None,
        wanted: Sequence[Sequence[int]],
    ) -> NDArray[np.int64]:
        """Return the slots that the first stage compares."""
        if only is not None:
            named = {self._slots.number(name) for name in only if name in self._slots}
            found = np.array(sorted(named), np.int64)
        elif len(self._known) < LARGE:
            found = np.flatnonzero(self._used[: self._slots.size])
        else:
            ids, _ = self._near.search(centred[0], _NEAR)
            found = np.unique(np.concatenate([ids // _KINDS, top(words[0], _WORDED), *wanted]))
            found = found[self._used[found.astype(np.int64)]].astype(np.int64)
        left_out = [self._slots.number(name) for name in exclude if name in self._slots]
        return found[~np.isin(found, left_out)] if left_out else found

    def _cosines(self, slots: NDArray[np.int64], centred: Vectors) -> Vectors:
        """Return the cosines with each kind of direction, `(kinds, n_queries, n)`."""
        size = self._slots.size
        # BLAS is quickest with both sides row after row. To copy rows takes longer than a product.
        columns = np.ascontiguousarray(centred.T)
        if len(slots) < size // 2:
            return (self._directions[:, slots] @ columns).swapaxes(1, 2)
        found = (self._directions[:, :size] @ columns).swapaxes(1, 2)
        return found if len(slots) == size else found[:, :, slots]

    def _second(
        self, signals: Signals, slots: NDArray[np.int64], wanted: Sequence[Sequence[int]]
    ) -> list[tuple[int, ...]]:
        """Return for each query the places in `slots` of those that the second stage compares."""
        if len(slots) <= COMPARED:
            return [tuple(range(len(slots)))] * len(wanted)
        scores = first_scores(signals, self._examples[slots], self._weights)
        return [
            tuple(sorted({*top(row, COMPARED), *np.flatnonzero(np.isin(slots, some)).tolist()}))
            for row, some in zip(scores, wanted, strict=True)
        ]

    def _match(
        self,
        slots: NDArray[np.int64],
        signals: Signals,
        queries: Sequence[QueryViews],
        centred: Vectors,
    ) -> list[list[Match]]:
        names = [self._slots.id(slot) for slot in slots.tolist()]
        known = [self._known[name] for name in names]
        if not known:
            return [[] for _ in queries]
        near = closeness(known, np.array([query.meaning for query in queries]), centred)
        seen = replace(
            signals,
            tokens=self._tokens(known, queries),
            nearest=np.array([[one.nearest for one in row] for row in near], np.float32),
        )
        foreign = np.array([[one.foreign for one in row] for row in near], np.float32)
        scores = relevance(seen, self._examples[slots], foreign, self._weights)
        return [
            [Match(names[i], row[i], known[i], own[i]) for i in order]
            for order, row, own in zip(
                np.argsort(-scores, axis=1, kind="stable").tolist(),
                scores.tolist(),
                near,
                strict=True,
            )
        ]

    def _tokens(self, known: Sequence[Knowledge], queries: Sequence[QueryViews]) -> Vectors:
        """Return the similarities by late interaction, `(n_queries, n)`.

        NaN where a document was not read so.
        """
        found = np.full((len(queries), len(known)), np.nan, np.float32)
        read = [(place, one.tokens) for place, one in enumerate(known) if one.tokens is not None]
        if read:
            places, documents = zip(*read, strict=True)
            views = [view for query in queries for view in query.views]
            alike = iter(
                self._interaction.all_similarities([view.reading for view in views], documents)
            )
            for row, query in zip(found, queries, strict=True):
                row[list(places)] = sum(view.weight * next(alike) for view in query.views)
        return found

    def _words(self, query: QueryViews) -> Vectors:
        """Return the BM25 scores by slot; NaN where one is free."""
        scores = [view.weight * self._lexical.slot_scores(view.text) for view in query.views]
        return scores[0] if len(scores) == 1 else np.sum(scores, axis=0, dtype=np.float32)

    def _ask_heads(
        self, slots: NDArray[np.int64], heads: Heads | None, queries: Sequence[QueryViews]
    ) -> tuple[Vectors, Vectors]:
        """Return what the heads say of meaning and of words, `(n_queries, n)`; NaN is unknown."""
        meaning, words = np.full((2, len(queries), len(slots)), np.nan, np.float32)
        if heads is not None:
            places = self._places(heads)[slots]
            known = places >= 0
            for number, query in enumerate(queries):
                scores = (view.weight * heads.words(view.text) for view in query.views)
                spelled: Vectors = sum(scores, start=np.zeros((), np.float32))
                meaning[number, known] = heads.meaning(query.mean)[places[known]]
                words[number, known] = spelled[places[known]]
        return meaning, words

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
