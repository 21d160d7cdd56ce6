"""Makes an expert of a collection: embeds it, trains, and says how good the expert is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ...search.encoder import Encoder, Vectors
from ...search.experts.expert import Card, Kind, LinearExpert, Pilots, Score
from ...search.experts.lora import LoraExpert
from ...search.experts.lora_training import LoraSettings, train_lora
from ...search.experts.pilots import Gate, pilots
from ...search.experts.reader import QueryReader
from ...search.experts.roster import BASE
from ...search.experts.training import Lesson, TrainingSettings, check_enough, train
from ...search.experts.training_set import TrainingSet
from ...search.kept import encode_kept
from ...search.relevance import Floats, ndcg_of, paired_interval

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
    told = {name: value for name, value in asdict(settings).items() if name != "penalties"}
    return LinearExpert(
        card=_card(
            name,
            "linear",
            given,
            encoder,
            score_of(trained.base, trained.held_out),
            {**told, "penalty": trained.penalty},
        ),
        pilots=pilots_of(name, lesson.queries, trained.base, trained.held_out),
        change=trained.change,
    )


def train_lora_expert(
    name: str,
    given: TrainingSet,
    encoder: Encoder,
    cache_dir: Path,
    base: str,
    settings: LoraSettings | None = None,
    progress: Callable[[str], None] = lambda told: None,
) -> LoraExpert:
    """Return an expert that reads with the transformer `base`, as the settings name the encoder.

    A fifth of the queries says when to stop, and another fifth how good it is.

    Raises:
        ConfigurationError: peft is missing, or the base can't be loaded.
        InvalidInput: there are too few queries.
    """
    settings = settings or LoraSettings()
    check_enough(len(given.queries))
    lesson = lesson_of(given, encoder, cache_dir, progress)
    order = np.random.default_rng(settings.seed).permutation(len(given.queries))
    judging, stopping, learning = np.split(order, [len(order) // 5, 2 * len(order) // 5])
    kept = [*learning.tolist(), *stopping.tolist()]
    part = lesson.part(kept)
    trained = train_lora(
        [given.queries[place] for place in kept],
        lesson.documents,
        part.gains,
        held_out=range(len(learning), len(kept)),
        vectors=part.queries,
        encoder=base,
        settings=settings,
        progress=lambda epoch: progress(
            f"epoch {epoch.number}, nDCG@10 {100 * epoch.held_out:.1f} of queries held out"
        ),
    )
    held = lesson.part(judging.tolist())
    reader = QueryReader(base)
    read = reader.read(
        [given.queries[place] for place in judging.tolist()], trained.adapter, base=encoder.name
    )
    scores = (
        ndcg_of(held.queries, lesson.documents, held.gains),
        ndcg_of(read, lesson.documents, held.gains),
    )
    card = _card(name, "lora", given, encoder, score_of(*scores), trained.settings)
    return LoraExpert(
        card=card,
        pilots=pilots_of(name, held.queries, *scores, made_with=lesson.queries),
        adapter=trained.adapter,
        reader=reader,
    )


def _card(
    name: str,
    kind: Kind,
    given: TrainingSet,
    encoder: Encoder,
    score: Score,
    settings: dict[str, float | int | str],
) -> Card:
    return Card(
        name=name,
        kind=kind,
        encoder=encoder.name,
        dim=encoder.dim,
        data=given.name,
        made_at=datetime.now(UTC),
        pairs=sum(len(one) for one in given.gains),
        synthetic=given.synthetic,
        score=score,
        settings=settings,
    )


def score_of(base: Floats, expert: Floats) -> Score:
    """Return how well queries were found that were held out, `(n,)` nDCG@10 each."""
    low, high = paired_interval(expert - base)
    return Score(
        queries=len(base),
        base=float(base.mean()),
        expert=float(expert.mean()),
        low=low,
        high=high,
    )


def pilots_of(
    name: str, queries: Vectors, base: Floats, expert: Floats, made_with: Vectors | None = None
) -> Pilots:
    """Return the pilots of an expert that knows no other.

    `base` and `expert` `(n,)` are how well `queries` `(n, dim)` were found; the gate knows those
    that it was `made_with`, or else these.
    """
    found = pilots(queries, {name: expert, BASE: base}, name)
    none = np.empty((0, queries.shape[1]), np.float32)
    won, lost = (found[one][None] if one in found else none for one in (name, BASE))
    gate = Gate.of(queries if made_with is None else made_with)
    return Pilots(won=won, lost=lost, gate=gate)
