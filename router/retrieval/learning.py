"""What is learned from a board's agents: the heads, and how to read the scores.

Runs in a thread beside the queries; until it is done, they are answered by what was learned before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...search.encoder import Encoder, Reading, Vectors
from .calibration import Calibration, Trial, calibrated
from .heads import MAX_AGENTS, Heads
from .index import AgentIndex
from .knowledge import Knowledge, direction
from .query import QueryViews, View
from .scoring import margin
from .surroundings import Surroundings
from .texts import background

SAMPLE = 1000
"""Examples that are held out in turn, at most."""
FOLDS = 5
_FEW = 3000
"""With more examples than this one fold is held out instead of five: the rest is enough."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What a board learned: heads if it has examples, and its calibration."""

    heads: Heads | None = None
    calibration: Calibration = field(default_factory=Calibration)


def learn(
    known: Mapping[str, Knowledge],
    new_index: Callable[[], AgentIndex],
    encoder: Encoder,
    surroundings: Surroundings,
    everyday: Vectors,
) -> Learned:
    """Learn from agents. Blocks for seconds where there are many examples.

    `new_index` makes an empty index; `everyday` are the vectors of the background.
    """
    heads = _heads(known)
    trials = held_out(known, new_index, encoder, surroundings)
    index = new_index()
    index.put(known)
    free = surroundings.free(everyday)
    texts = [background()[number] for number in free]
    outside = margins_of(texts, encoder.read(texts), index, heads, surroundings)
    return Learned(heads, calibrated(trials, outside))


def held_out(
    known: Mapping[str, Knowledge],
    new_index: Callable[[], AgentIndex],
    encoder: Encoder,
    surroundings: Surroundings,
) -> list[Trial]:
    """Score examples by an index and heads that have not seen them; at most `SAMPLE`. Blocks."""
    trials: list[Trial] = []
    for fold in _folds(known):
        trials += _tried(fold, known, new_index(), encoder, surroundings)
    return trials


def margins_of(
    texts: Sequence[str],
    queries: Sequence[Reading],
    index: AgentIndex,
    heads: Heads | None,
    surroundings: Surroundings,
) -> Vectors:
    """Return the margins of queries that are part of the surroundings, `(n,)`."""
    margins = []
    for text, reading in zip(texts, queries, strict=True):
        matches = index.compare(QueryViews((View(text, reading, 1.0),)), heads=heads)
        if matches:
            near = surroundings.nearness(reading.vector, itself=True)
            margins.append(margin(matches[0].relevance, near))
    return np.array(margins, np.float32)


def _heads(known: Mapping[str, Knowledge]) -> Heads | None:
    taught = any(len(one.examples) for one in known.values())
    if not taught or not 2 <= len(known) <= MAX_AGENTS:
        return None
    return Heads.train(known, background())


def _folds(known: Mapping[str, Knowledge]) -> list[list[tuple[str, int]]]:
    """Return which examples of which agents are held out together; never an agent's only one."""
    places = [
        (name, number)
        for name, one in known.items()
        if len(one.examples) > 1
        for number in range(len(one.examples))
    ]
    drawn = np.random.default_rng(0).permutation(len(places))[:SAMPLE]
    count = FOLDS if len(places) <= _FEW else 1
    folds = [[places[place] for place in drawn[start::count]] for start in range(count)]
    return [fold for fold in folds if fold]


def _tried(
    fold: Sequence[tuple[str, int]],
    known: Mapping[str, Knowledge],
    index: AgentIndex,
    encoder: Encoder,
    surroundings: Surroundings,
) -> list[Trial]:
    held: dict[str, set[int]] = {}
    for name, number in fold:
        held.setdefault(name, set()).add(number)
    rest = {name: _without(one, held.get(name, set())) for name, one in known.items()}
    heads = _heads(rest)
    index.put(rest)
    texts = [known[name].texts.examples[number] for name, number in fold]
    trials = []
    for (name, _), text, reading in zip(fold, texts, encoder.read(texts), strict=True):
        query = QueryViews((View(text, reading, 1.0),))
        matches = index.compare(query, heads=heads)
        trials.append(
            Trial(
                agent=name,
                query=text,
                names=tuple(match.agent for match in matches),
                relevance=np.array([match.relevance for match in matches], np.float32),
                margin=margin(matches[0].relevance, surroundings.nearness(reading.vector)),
            )
        )
    return trials


def _without(one: Knowledge, held: set[int]) -> Knowledge:
    """Return the knowledge without these examples."""
    if not held:
        return one
    kept = [number for number in range(len(one.examples)) if number not in held]
    examples = one.examples[kept]
    texts = replace(one.texts, examples=tuple(one.texts.examples[number] for number in kept))
    return replace(one, texts=texts, examples=examples, taught=direction(examples))
