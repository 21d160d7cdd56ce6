"""Do routed experts find more than the base encoder, and what do they cost?

    callboard bench retrieval --data DIR --sets ir_cranfield,ir_npl,ir_medquad,ir_cosqa [--json]

Five-fold cross-validation over the queries of each set: what reads a query was made without it, by
training on the other four folds, within which penalties are chosen by folds again. Every expert
that does not beat the base on what it held out is left out of the rosters, as it would not be
registered. Intervals are of the mean over queries and hold with 95 %; `gain` is the paired
difference to the base. Rows of `pooled` search in the documents of all sets at once, `mean` is the
mean over sets. Times leave out the embedding of the query, which is the same for all.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ..pipelines.training.experts import lesson_of, pilots_of, score_of
from ..search.encoder import Encoder, Vectors
from ..search.experts.expert import Card, Expert, LinearExpert, Pilots, adapted
from ..search.experts.pilots import pilots
from ..search.experts.roster import BASE, Method, Roster
from ..search.experts.training import Lesson, Trained, TrainingSettings, train
from ..search.experts.training_set import TrainingSet
from ..search.fusion import fuse
from ..search.hits import top
from ..search.lexical import LexicalIndex
from ..search.relevance import DRAWS, Floats, Gains, ndcg_at, ndcg_of, recall_at, reciprocal_rank
from ..values import JSON
from .sets.retrieval import read_training_set

FOLDS = 5
DEEP = 100
"""Documents that are ranked for a query."""
METHODS: tuple[Method, ...] = ("mean", "nearest", "gate")
TOGETHER = TrainingSettings(folds=2, most=8000)
"""The multi-task adapter learns from all queries of all sets at once."""

Told: TypeAlias = Callable[[str], None]
_Read: TypeAlias = Callable[[int, Vectors], Vectors]
"""Returns how a method reads a query, by its place and its base embedding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A set with its embeddings; `texts` are those of the documents."""

    given: TrainingSet
    lesson: Lesson

    @property
    def name(self) -> str:
        """The name of the set."""
        return self.given.name

    @property
    def texts(self) -> list[str]:
        """The documents as they are embedded."""
        return [one.whole for one in self.given.documents]

    def folds(self) -> list[np.ndarray]:
        """Return the places of the queries of each fold."""
        order = np.random.default_rng(0).permutation(len(self.given.queries))
        return [order[fold::FOLDS] for fold in range(FOLDS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a method found for each query of a set, `(n,)` each; `seconds` are of each search."""

    ndcg: Floats
    recall: Floats
    mrr: Floats
    seconds: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fold:
    """The experts that were made without one fold, by set, and how they chose on it."""

    experts: Mapping[str, LinearExpert]
    together: Vectors
    registered: frozenset[str] = field(default_factory=frozenset)

    def roster(self, method: Method, without: str | None = None) -> Roster:
        """Return the roster of the experts that were better than the base."""
        chosen: list[Expert] = [
            expert
            for name, expert in self.experts.items()
            if name in self.registered and name != without
        ]
        return Roster(chosen, method)


def read_tasks(
    folder: Path, names: Sequence[str], encoder: Encoder, cache_dir: Path, told: Told
) -> list[Task]:
    """Return the sets in `folder`, embedded; vectors are kept in `cache_dir` for the next time.

    Raises:
        ConfigurationError: a file is missing or damaged.
    """
    tasks: list[Task] = []
    for name in names:
        given = read_training_set(folder / name)
        tasks.append(Task(given=given, lesson=lesson_of(given, encoder, cache_dir, told)))
    return tasks


def measure_retrieval(tasks: Sequence[Task], told: Told) -> list[dict[str, JSON]]:
    """Return a row per method and set, over its own documents and over all sets' together."""
    folds = [_fold(tasks, number, told) for number in range(FOLDS)]
    pool, shifted = _pooled(tasks)
    rows: list[dict[str, JSON]] = []
    for name, documents, texts, gains in (
        ("", None, None, None),
        ("pooled:", pool, [text for task in tasks for text in task.texts], shifted),
    ):
        found: dict[str, dict[str, Found]] = {}
        for place, task in enumerate(tasks):
            told(f"searching {name}{task.name}")
            searched = _Searched(
                task,
                task.lesson.documents if documents is None else documents,
                task.texts if texts is None else texts,
                task.lesson.gains if gains is None else gains[place],
            )
            found[task.name] = _measured(searched, tasks, folds)
            rows += _rows(f"{name}{task.name}", found[task.name])
        rows += _mean_rows(f"{name}mean" if not name else "pooled", found)
    return rows


def _fold(tasks: Sequence[Task], number: int, told: Told) -> _Fold:
    """Train without the fold of this number of every set."""
    parts: dict[str, Lesson] = {}
    trained: dict[str, Trained] = {}
    for task in tasks:
        n = len(task.given.queries)
        kept = np.setdiff1d(np.arange(n), task.folds()[number]).tolist()
        parts[task.name] = task.lesson.part(kept)
        trained[task.name] = train(
            parts[task.name],
            progress=lambda what, task=task: told(  # type: ignore[misc]
                f"fold {number + 1} of {FOLDS}: {task.name}, {what}"
            ),
        )
    told(f"fold {number + 1} of {FOLDS}: all sets together")
    pool, gains = _pooled([replace(task, lesson=parts[task.name]) for task in tasks])
    queries = np.concatenate([parts[task.name].queries for task in tasks])
    all_gains = [one for some in gains for one in some]
    together = train(Lesson(queries=queries, documents=pool, gains=all_gains), TOGETHER)
    experts = {
        name: LinearExpert(
            card=_card(name, one),
            pilots=pilots_of(name, parts[name].queries, one.base, one.held_out),
            change=one.change,
        )
        for name, one in trained.items()
    }
    good = frozenset(name for name, one in experts.items() if one.card.score.gain > 0)
    library = _library(parts, trained, good)
    return _Fold(
        experts={name: _with(one, library[name]) for name, one in experts.items()},
        together=together.change,
        registered=good,
    )


def _library(
    parts: Mapping[str, Lesson], trained: Mapping[str, Trained], good: frozenset[str]
) -> dict[str, tuple[Vectors, Vectors]]:
    """Return the pilots of each expert, and of the base, from each set, as the paper has them.

    All experts that are registered are tried on the queries of each set that they learned from.
    """
    won: dict[str, list[Vectors]] = {name: [] for name in parts}
    lost: dict[str, list[Vectors]] = {name: [] for name in parts}
    for own, lesson in parts.items():
        scores = {BASE: trained[own].base}
        for name in good:
            change = trained[name].change
            scores[name] = (
                trained[own].held_out
                if name == own
                else ndcg_of(adapted(lesson.queries, change), lesson.documents, lesson.gains)
            )
        for name, pilot in pilots(lesson.queries, scores, own if own in good else BASE).items():
            (lost[own] if name == BASE else won[name]).append(pilot)
    none = np.empty((0, next(iter(parts.values())).queries.shape[1]), np.float32)
    return {
        name: tuple(np.stack(some) if some else none for some in (won[name], lost[name]))  # type: ignore[misc]
        for name in parts
    }


def _with(expert: LinearExpert, library: tuple[Vectors, Vectors]) -> LinearExpert:
    won, lost = library
    return replace(expert, pilots=Pilots(won=won, lost=lost, gate=expert.pilots.gate))


def _card(name: str, trained: Trained) -> Card:
    return Card(
        name=name,
        kind="linear",
        encoder="benchmark",
        dim=len(trained.change),
        data=name,
        made_at=datetime.now(UTC),
        pairs=0,
        synthetic=False,
        score=score_of(trained.base, trained.held_out),
        settings={"penalty": trained.penalty},
    )


class _Searched:
    """The queries of a set and the documents in which they search."""

    def __init__(
        self, task: Task, documents: Vectors, texts: Sequence[str], gains: Sequence[Gains]
    ) -> None:
        self.task = task
        self._documents = documents
        self._gains = gains
        self._lexical = LexicalIndex()
        self._lexical.add([str(place) for place in range(len(texts))], texts)

    def by_vector(self, read: _Read) -> Found:
        """Search with the vectors that a method reads."""

        def rank(place: int) -> Sequence[int]:
            return top(self._documents @ read(place, self.task.lesson.queries[place]), DEEP)

        return self._found(rank)

    def by_words(self) -> Found:
        """Search by BM25."""
        return self._found(lambda place: top(self._words(place), DEEP))

    def fused(self) -> Found:
        """Search by words and base embedding at once."""

        def rank(place: int) -> Sequence[int]:
            cosines = self._documents @ self.task.lesson.queries[place]
            return top(fuse((cosines, self._words(place))), DEEP)

        return self._found(rank)

    def _words(self, place: int) -> Vectors:
        return self._lexical.slot_scores(self.task.given.queries[place])

    def _found(self, rank: Callable[[int], Sequence[int]]) -> Found:
        n = len(self.task.given.queries)
        figures = np.empty((4, n))
        for place in range(n):
            began = time.perf_counter()
            ranked = rank(place)
            took = time.perf_counter() - began
            gains = self._gains[place]
            figures[:, place] = (
                ndcg_at(ranked, gains),
                recall_at(ranked, gains),
                reciprocal_rank(ranked, gains),
                took,
            )
        ndcg, recall, mrr, seconds = figures
        return Found(ndcg=ndcg, recall=recall, mrr=mrr, seconds=seconds)


def _measured(
    searched: _Searched, tasks: Sequence[Task], folds: Sequence[_Fold]
) -> dict[str, Found]:
    """Return what each method finds for the queries of one set."""
    task = searched.task
    fold_of = {int(place): folds[n] for n, held in enumerate(task.folds()) for place in held}

    def changed(change: Callable[[_Fold], Vectors]) -> _Read:
        return lambda place, vector: adapted(vector[None], change(fold_of[place]))[0]

    def routed(method: Method, without: str | None = None) -> _Read:
        rosters = {id(fold): fold.roster(method, without) for fold in folds}

        def read(place: int, vector: Vectors) -> Vectors:
            roster = rosters[id(fold_of[place])]
            return roster.read(roster.choose(vector), "", vector)

        return read

    found = {
        "bm25": searched.by_words(),
        "base": searched.by_vector(lambda place, vector: vector),
        "fusion": searched.fused(),
        "multi_task": searched.by_vector(changed(lambda fold: fold.together)),
    }
    for other in tasks:
        name = other.name
        found[f"expert:{name}"] = searched.by_vector(
            changed(lambda fold, name=name: fold.experts[name].change)  # type: ignore[misc]
        )
    for method in METHODS:
        found[f"routed:{method}"] = searched.by_vector(routed(method))
    for method in METHODS:
        found[f"unseen:{method}"] = searched.by_vector(routed(method, task.name))
    candidates = [found["base"], *(found[f"expert:{one.name}"] for one in tasks)]
    found["oracle:set"] = max(candidates, key=lambda one: float(one.ndcg.mean()))
    best = np.argmax(np.stack([one.ndcg for one in candidates]), axis=0)
    found["oracle:query"] = Found(
        **{
            name: np.choose(best, [getattr(one, name) for one in candidates])
            for name in ("ndcg", "recall", "mrr", "seconds")
        }
    )
    return found


def _rows(name: str, found: Mapping[str, Found]) -> list[dict[str, JSON]]:
    return [_row(method, name, [one], [found["base"]]) for method, one in found.items()]


def _mean_rows(name: str, found: Mapping[str, Mapping[str, Found]]) -> list[dict[str, JSON]]:
    """Return a row of means over sets for each method; of experts there is one for each set."""
    methods = list(next(iter(found.values())))
    base = [some["base"] for some in found.values()]
    return [_row(one, name, [some[one] for some in found.values()], base) for one in methods]


def _row(method: str, name: str, found: Sequence[Found], base: Sequence[Found]) -> dict[str, JSON]:
    low, high = _interval([one.ndcg for one in found])
    gains = [one.ndcg - other.ndcg for one, other in zip(found, base, strict=True)]
    gain_low, gain_high = _interval(gains)
    return {
        "method": method,
        "set": name,
        "queries": sum(len(one.ndcg) for one in found),
        "ndcg_10": _percent(_mean([one.ndcg for one in found])),
        "low": _percent(low),
        "high": _percent(high),
        "recall_10": _percent(_mean([one.recall for one in found])),
        "mrr": _percent(_mean([one.mrr for one in found])),
        "gain": _percent(_mean(gains)),
        "gain_low": _percent(gain_low),
        "gain_high": _percent(gain_high),
        "p50_ms": round(
            1000 * statistics.median(np.concatenate([one.seconds for one in found]).tolist()), 3
        ),
    }


def _mean(values: Sequence[Floats]) -> float:
    return statistics.fmean(float(one.mean()) for one in values)


def _interval(values: Sequence[Floats]) -> tuple[float, float]:
    """Return the bootstrap interval of the mean over sets, each drawn for itself."""
    draw = np.random.default_rng(0)
    means = [one[draw.integers(0, len(one), (DRAWS, len(one)))].mean(axis=1) for one in values]
    low, high = np.quantile(np.mean(means, axis=0), [0.025, 0.975])
    return float(low), float(high)


def _percent(share: float) -> float:
    return round(100 * share, 2)


def _pooled(tasks: Sequence[Task]) -> tuple[Vectors, list[list[dict[int, float]]]]:
    """Return the documents of all sets together, and the gains of each set's queries among them."""
    starts = np.cumsum([0, *(len(task.lesson.documents) for task in tasks)]).tolist()
    gains = [
        [{start + place: gain for place, gain in some.items()} for some in task.lesson.gains]
        for task, start in zip(tasks, starts, strict=False)
    ]
    return np.concatenate([task.lesson.documents for task in tasks]), gains
