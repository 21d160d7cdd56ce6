"""Trains a linear expert: a change of queries after which their documents are nearest.

Each query is to give its documents the most probability among many: those of all other queries
(in-batch negatives), the nearest wrong ones (mined hard negatives), and some at random. The loss
is convex in the change, so that there is one best change for each penalty, found in seconds on a
CPU. The penalty is what keeps it from learning a few queries by heart: it falls step by step until
queries that were held out are found no better (early stopping along the path of penalties).

Sources: InfoNCE, arXiv 1807.03748, at the temperature of a dense retriever; the penalty as in
ridge regression towards no change; L-BFGS, Liu and Nocedal, 1989.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ...errors import InvalidInput
from ..encoder import Vectors
from ..hits import top
from ..relevance import Floats, Gains, ndcg_of
from .expert import adapted

FEWEST = 20
"""Queries that a training needs."""
_DEEPEST = 200
"""Wrong documents that are mined for a query, at most."""
_PATIENCE = 2
"""Penalties without a gain before the path ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """How an expert is trained.

    `penalties` of the squared change, from the strongest; `folds` of queries are held out in turn;
    queries are compared with `most` documents, of which `mined` is the share that is not drawn at
    random; a search for the best change takes `steps` at most.
    """

    temperature: float = 0.03
    penalties: tuple[float, ...] = (1.0, 0.3, 0.1, 0.03, 0.01)
    folds: int = 4
    most: int = 20_000
    mined: float = 0.75
    steps: int = 25
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What is learned from: `(n, dim)` queries, `(m, dim)` documents, and the gains of each query.

    All vectors are the base encoder's.
    """

    queries: Vectors
    documents: Vectors
    gains: Sequence[Gains]

    def part(self, places: Sequence[int]) -> Lesson:
        """Return the lesson with these queries alone."""
        return Lesson(
            queries=self.queries[places],
            documents=self.documents,
            gains=[self.gains[place] for place in places],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What was learned, `(dim, dim)`, with the penalty that was best.

    `base` and `held_out` `(n,)` are the nDCG@10 of each query by the base, and by a change that
    was learned, and a penalty that was chosen, without it.
    """

    change: Vectors
    penalty: float
    base: Floats
    held_out: Floats


def train(
    lesson: Lesson,
    settings: TrainingSettings | None = None,
    progress: Callable[[str], None] = lambda told: None,
) -> Trained:
    """Learn a change from a lesson; the same seed gives the same. Blocks for seconds to minutes.

    The change is the mean of those that were learned without each fold: it varies less than one
    that is learned from all.

    Raises:
        InvalidInput: there are too few queries.
    """
    settings = settings or TrainingSettings()
    n = len(lesson.queries)
    check_enough(n)
    seen = _compared_with(lesson, settings)
    folds = [*_folds(n, settings)]
    base = ndcg_of(lesson.queries, lesson.documents, lesson.gains)
    path: list[Floats] = []
    changes: list[list[Vectors]] = []
    with _threads(len(folds)) as pool:
        for number, penalty in enumerate(settings.penalties):
            progress(f"penalty {penalty:g}, {number + 1} of {len(settings.penalties)}")

            def learn(fold: int, penalty: float = penalty) -> Vectors:
                kept = np.setdiff1d(np.arange(n), folds[fold])
                start = changes[-1][fold] if changes else None
                return _fit(seen.part(kept.tolist()), penalty, settings, start)

            learned = list(pool.map(learn, range(len(folds))))
            scores = np.empty(n)
            for held, change in zip(folds, learned, strict=True):
                queries = adapted(lesson.queries[held], change)
                scores[held] = ndcg_of(
                    queries, lesson.documents, [lesson.gains[place] for place in held]
                )
            path.append(scores)
            changes.append(learned)
            means = [one.mean() for one in path]
            if number - int(np.argmax(means)) >= _PATIENCE:
                break
    best = int(np.argmax([one.mean() for one in path]))
    return Trained(
        change=np.mean(changes[best], axis=0, dtype=np.float32),
        penalty=settings.penalties[best],
        base=base,
        held_out=_cross_fitted(path, folds),
    )


def check_enough(queries: int) -> None:
    """Check that there are enough queries for an expert.

    Raises:
        InvalidInput: there are too few.
    """
    if queries < FEWEST:
        raise InvalidInput(
            f"There are {queries} queries with relevant documents; an expert needs at least "
            f"{FEWEST}."
        )


@contextmanager
def _threads(most: int) -> Iterator[ThreadPoolExecutor]:
    """Yield threads that compute on one processor each.

    Folds side by side keep all processors busy; several threads in one product would wait for each
    other wherever something else runs.
    """
    import torch

    before = torch.get_num_threads()
    workers = min(most, os.cpu_count() or 1)
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def _cross_fitted(path: Sequence[Floats], folds: Sequence[np.ndarray]) -> Floats:
    """Return for each query the score at the penalty that is best for the queries of other folds.

    The best penalty of all would have been chosen with the very queries that are to judge it.
    """
    scores = np.empty(len(path[0]))
    for held in folds:
        others = np.setdiff1d(np.arange(len(scores)), held)
        best = max(path, key=lambda one: float(one[others].mean()))
        scores[held] = best[held]
    return scores


def _folds(n: int, settings: TrainingSettings) -> Iterator[np.ndarray]:
    order = np.random.default_rng(settings.seed).permutation(n)
    for fold in range(settings.folds):
        yield order[fold :: settings.folds]


def _compared_with(lesson: Lesson, settings: TrainingSettings) -> Lesson:
    """Return the lesson with the documents that queries are compared with in training."""
    m = len(lesson.documents)
    if m <= settings.most:
        return lesson
    chosen = dict.fromkeys(one for gains in lesson.gains for one in gains)
    near = [top(scores, _DEEPEST) for scores in lesson.queries @ lesson.documents.T]
    by_rank = (some[rank] for rank in range(_DEEPEST) for some in near)  # everybody's first first
    _fill(chosen, by_rank, int(settings.mined * settings.most))
    _fill(chosen, np.random.default_rng(settings.seed).permutation(m).tolist(), settings.most)
    number = {old: new for new, old in enumerate(chosen)}
    return Lesson(
        queries=lesson.queries,
        documents=lesson.documents[list(chosen)],
        gains=[{number[one]: gain for one, gain in some.items()} for some in lesson.gains],
    )


def _fill(chosen: dict[int, None], more: Iterable[int], most: int) -> None:
    for one in more:
        if len(chosen) >= most:
            return
        chosen[one] = None


def _fit(
    lesson: Lesson, penalty: float, settings: TrainingSettings, start: Vectors | None
) -> Vectors:
    import torch

    queries = torch.from_numpy(np.ascontiguousarray(lesson.queries))
    documents = torch.from_numpy(np.ascontiguousarray(lesson.documents.T))
    wanted = torch.zeros(len(lesson.queries), len(lesson.documents))
    for row, gains in enumerate(lesson.gains):
        total = sum(gains.values())
        for place, gain in gains.items():
            wanted[row, place] = gain / total
    dim = queries.shape[1]
    change = torch.zeros(dim, dim) if start is None else torch.from_numpy(start.copy())
    change.requires_grad_()
    search = torch.optim.LBFGS(
        [change],
        max_iter=settings.steps,
        tolerance_change=1e-6,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def loss() -> torch.Tensor:
        search.zero_grad()
        logits = (queries + queries @ change) @ documents / settings.temperature
        found = -(wanted * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
        total = found + penalty * (change**2).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    search.step(loss)  # type: ignore[no-untyped-call]
    return change.detach().numpy().copy()
