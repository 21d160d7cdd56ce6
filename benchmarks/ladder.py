"""Does a ladder that goes by the predicted gain give more quality for its cost?

    callboard bench ladder --data DIR [--rungs A,B] [--json]

The set of RouterDC (arXiv 2409.19886) tells how well seven models answered 20,600 questions of ten
tasks. It holds no drafts and no prices: what is decided is decided by the question alone, and a
call costs as many units as its model has parameters. Predictor and thresholds come from the
training files alone, a fifth of which is held out for the thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import UnknownName, nearest
from ..models.ladder import Rule
from ..pipelines.training.ladder import (
    Floats,
    Held,
    chosen_tau,
    fit,
    predicted,
    rule_at,
    scores_of,
    split,
)
from ..pipelines.training.outcomes import Outcome, check_rungs
from ..search.encoder import Encoder
from ..values import JSON
from .metrics import mean_interval
from .sets.outcomes import files_to_test_on, files_to_train_on, read_outcomes

Ends: TypeAlias = NDArray[np.intp]
Told: TypeAlias = Callable[[str], None]

PARAMETERS = {
    "mistralai/Mistral-7B-v0.1": 7.24,
    "meta-math/MetaMath-Mistral-7B": 7.24,
    "itpossible/Chinese-Mistral-7B-v0.1": 7.50,
    "HuggingFaceH4/zephyr-7b-beta": 7.24,
    "cognitivecomputations/dolphin-2.6-mistral-7b": 7.24,
    "meta-llama/Meta-Llama-3-8B": 8.03,
    "cognitivecomputations/dolphin-2.9-llama3-8b": 8.03,
}
"""Billions of parameters. Source: the models' cards; Chinese-Mistral has a larger vocabulary."""

DEAREST = "cognitivecomputations/dolphin-2.9-llama3-8b"
LADDERS = (("mistralai/Mistral-7B-v0.1", DEAREST), ("HuggingFaceH4/zephyr-7b-beta", DEAREST))
"""The better of the two large models on every training file, above two of the small ones: the
base model of most, which it beats on all six files, and the best of them on three, which beats it
on four. With the first, asking the dearer never hurts; with the second it has to be right."""

KEPT = (0.5, 0.8, 0.95)
"""Shares of what the dearest rung gains, which each tau keeps on the validation part; beside them
tau 0, which asks wherever anything is gained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Some of the questions: their embeddings and scores."""

    vectors: Floats
    scores: Floats

    def at(self, places: Ends) -> _Part:
        return _Part(vectors=self.vectors[places], scores=self.scores[places])


def measure_ladders(
    folder: Path, encoder: Encoder, ladders: Sequence[Sequence[str]] = LADDERS, told: Told = print
) -> list[dict[str, JSON]]:
    """Return a row per ladder, group of test files and method.

    Raises:
        ConfigurationError: the data is not there.
        UnknownName: a rung is none of the seven models.
        InvalidInput: a ladder has one rung only.
    """
    for rungs in ladders:
        check_rungs(rungs)
    for rung in chain.from_iterable(ladders):
        if rung not in PARAMETERS:
            raise UnknownName(f"The set has no model {rung!r}{nearest(rung, PARAMETERS)}")
    names = tuple(PARAMETERS)
    train = _part(read_outcomes(folder, files_to_train_on(folder), names), encoder, told, "train")
    tests = files_to_test_on(folder)
    files = {
        name: _part(read_outcomes(folder, (name,), names), encoder, told, name)
        for name in (*tests["trained"], *tests["new"])
    }
    groups: Mapping[str, tuple[str, ...]] = {
        "all": tuple(files),
        "tasks trained on": tests["trained"],
        "new tasks": tests["new"],
        **{name: (name,) for name in files},
    }
    return [
        row
        for rungs in ladders
        for row in _rows(
            rungs, train, {group: [files[one] for one in held] for group, held in groups.items()}
        )
    ]


def _rows(
    rungs: Sequence[str], train: _Part, groups: Mapping[str, Sequence[_Part]]
) -> Iterator[dict[str, JSON]]:
    columns = [list(PARAMETERS).index(rung) for rung in rungs]
    prices = np.array([PARAMETERS[rung] for rung in rungs])
    methods = _methods(_Part(vectors=train.vectors, scores=train.scores[:, columns]))
    for group, parts in groups.items():
        part = _Part(
            vectors=np.vstack([one.vectors for one in parts]),
            scores=np.vstack([one.scores[:, columns] for one in parts]),
        )
        found = {name: shares(part) for name, shares in methods.items()}
        for name, chosen in found.items():
            scores = (part.scores * chosen).sum(axis=1)
            row = {
                "ladder": " > ".join(rung.split("/")[-1] for rung in rungs),
                "questions_of": group,
                "method": name,
                "quality": _percent(scores.mean()),
                "quality_interval": _interval(scores),
                "escalated": _percent(1 - chosen[:, 0].mean()),
                "cost": _percent((chosen @ prices).mean() / prices[-1]),
                "questions": len(scores),
            }
            rival = found.get(name.replace("gain", "quality"))
            if name.startswith("gain") and rival is not None:
                row["over_quality"] = _interval(scores - (part.scores * rival).sum(axis=1))
            yield row


def _methods(train: _Part) -> dict[str, Callable[[_Part], Floats]]:
    """Return for each method the share with which each rung answers, `(n, rungs)`."""
    fitted, valid = split(len(train.scores), 0)
    known, held = train.at(fitted), train.at(valid)
    rungs = train.scores.shape[1]
    gain = fit(known.vectors, np.diff(known.scores, axis=1))
    # The gain that a rule by quality sees is how little is expected of the cheaper rung.
    little = -fit(known.vectors, known.scores[:, :-1])

    def by(weights: NDArray[np.float32], rule: Rule) -> Callable[[_Part], Floats]:
        return lambda part: _one_hot(_held(part, weights).ends(rule), rungs)

    def at_random(like: Callable[[_Part], Floats]) -> Callable[[_Part], Floats]:
        return lambda part: np.tile(like(part).mean(axis=0), (len(part.scores), 1))

    none = (0.0,) * (rungs - 1)
    methods: dict[str, Callable[[_Part], Floats]] = {
        "always small": lambda part: _one_hot(np.zeros(len(part.scores), int), rungs),
        "always large": lambda part: _one_hot(np.full(len(part.scores), rungs - 1), rungs),
    }
    taus = {f"{kept:.0%} kept": chosen_tau(_held(held, gain), none, kept) for kept in KEPT}
    for name, tau in {**taus, "tau 0": 0.0}.items():
        ours = by(gain, rule_at(tau, none))
        rate = 1 - float(ours(held)[:, 0].mean())
        least = float(np.quantile(_held(held, little).before[:, 0], 1 - rate))
        methods[f"gain, {name}"] = ours
        methods[f"quality, {name}"] = by(little, rule_at(least, none))
        methods[f"random, {name}"] = at_random(ours)
    return methods | {"oracle": lambda part: _one_hot(part.scores.argmax(axis=1), rungs)}


def _held(part: _Part, weights: NDArray[np.float32]) -> Held:
    return Held(part.scores, predicted(weights, part.vectors))


def _one_hot(ends: Ends, rungs: int) -> Floats:
    found: Floats = np.eye(rungs)[ends]
    return found


def _part(outcomes: Sequence[Outcome], encoder: Encoder, told: Told, name: str) -> _Part:
    told(f"Reading {name}")
    return _Part(
        vectors=encoder.encode([one.query for one in outcomes]),
        scores=scores_of(outcomes, tuple(PARAMETERS)),
    )


def _interval(values: Floats) -> list[float] | None:
    found = mean_interval(values.tolist())
    return None if found is None else [_percent(one) for one in found]


def _percent(share: Any) -> float:
    return round(100 * float(share), 2)
