"""Makes an expert of a collection: embeds it, trains, and says how good the expert is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ...search.encoder import Encoder, Vectors
from ...search.experts.expert import Card, LinearExpert, Pilots, Score
from ...search.experts.pilots import Gate, pilots
from ...search.experts.roster import BASE
from ...search.experts.training import Lesson, Trained, TrainingSettings, train
from ...search.experts.training_set import TrainingSet
from ...search.kept import encode_kept
from ...search.relevance import paired_interval

AT_ONCE = 256
"""Texts that are embedded between two words of progress."""


def lesson_of(
    given: TrainingSet,
    encoder: Encoder,
    cache_dir: Path,
    progress: Callable[[str], None] = lambda told: None,
) -> Lesson:
    """Return what is learned from a set, embedded. Blocks: minutes for ten thousand documents.

    Vectors are kept in `cache_dir` for the next time.
    """
    texts = [one.whole for one in given.documents]
    rows: list[Vectors] = []
    for start in range(0, len(texts), AT_ONCE):
        progress(f"embedded {start:,} of {len(texts):,} documents of {given.name}")
        rows.append(encode_kept(encoder, texts[start : start + AT_ONCE], cache_dir))
    return Lesson(
        queries=encode_kept(encoder, given.queries, cache_dir),
        documents=np.concatenate(rows),
        gains=given.gains,
    )


def train_expert(
    name: str,
    given: TrainingSet,
    encoder: Encoder,
    cache_dir: Path,
    settings: TrainingSettings | None = None,
    progress: Callable[[str], None] = lambda told: None,
) -> LinearExpert:
    """Return the expert of a set; its card says whether it is better than the base.

    Raises:
        InvalidInput: there are too few queries.
    """
    settings = settings or TrainingSettings()
    lesson = lesson_of(given, encoder, cache_dir, progress)
    trained = train(lesson, settings, progress)
    card = Card(
        name=name,
        kind="linear",
        encoder=encoder.name,
        dim=encoder.dim,
        data=given.name,
        made_at=datetime.now(UTC),
        pairs=sum(len(one) for one in given.gains),
        synthetic=given.synthetic,
        score=score_of(trained),
        settings={
            **{one: value for one, value in asdict(settings).items() if one != "penalties"},
            "penalty": trained.penalty,
        },
    )
    return LinearExpert(card=card, pilots=pilots_of(name, lesson, trained), change=trained.change)


def score_of(trained: Trained) -> Score:
    """Return how well queries were found that were held out."""
    low, high = paired_interval(trained.held_out - trained.base)
    return Score(
        queries=len(trained.base),
        base=float(trained.base.mean()),
        expert=float(trained.held_out.mean()),
        low=low,
        high=high,
    )


def pilots_of(name: str, lesson: Lesson, trained: Trained) -> Pilots:
    """Return the pilots of an expert that knows no other."""
    scores = {name: trained.held_out, BASE: trained.base}
    found = pilots(lesson.queries, scores, name)
    none = np.empty((0, lesson.queries.shape[1]), np.float32)
    won, lost = (found[one][None] if one in found else none for one in (name, BASE))
    return Pilots(won=won, lost=lost, gate=Gate.of(lesson.queries))
