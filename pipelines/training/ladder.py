"""Trains the predictor of a ladder, and finds the tau that keeps what the dearest rung gains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidInput
from ...models.ladder import Predictor, Rule
from ...models.ladder.features import Draft, draft_features
from ...search.encoder import Encoder
from ...values import JSON
from .outcomes import Outcome, check_rungs, known_of_all

Floats: TypeAlias = NDArray[np.floating[Any]]

KEPT = 0.9
"""The share of what the dearest rung gains over the cheapest that the tau found keeps."""
VALIDATED = 0.2
FEWEST = 50
ALPHAS = tuple(10.0**power for power in range(-2, 5))
STEPS = 200
"""Values of tau that are tried, between the least and the greatest prediction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A predictor, and what it did on the outcomes that were held out. Rows are for people."""

    predictor: Predictor
    rows: tuple[dict[str, JSON], ...]


def train_ladder(
    outcomes: Sequence[Outcome],
    rungs: Sequence[str],
    *,
    encoder: Encoder,
    refuses: Callable[[str, str], bool],
    kept: float = KEPT,
    seed: int = 0,
    data: str = "",
) -> Trained:
    """Train on four fifths of the outcomes, and choose tau on the others.

    `rungs` go from the cheapest to the dearest; `refuses` is told a draft and its query.

    Raises:
        InvalidInput: there are too few rungs or outcomes, or some lack what others have.
    """
    check_rungs(rungs)
    if len(outcomes) < FEWEST:
        raise InvalidInput(f"There are {len(outcomes)} outcomes; at least {FEWEST} are needed.")
    queries = encoder.encode([one.query for one in outcomes])
    scores = scores_of(outcomes, rungs)
    gains = np.diff(scores, axis=1)
    fitted, valid = split(len(outcomes), seed)
    tensors = {"query": fit(queries[fitted], gains[fitted])}
    before = predicted(tensors["query"], queries)
    after, margins = None, (0.0,) * gains.shape[1]
    if known_of_all(outcomes, "draft", rungs[:-1]):
        drafts = [_drafts(outcomes, rung, queries, encoder, refuses) for rung in rungs[:-1]]
        pairs = range(len(drafts))
        tensors["draft"] = np.vstack(
            [fit(drafts[pair][fitted], gains[fitted][:, [pair]]) for pair in pairs]
        )
        after = np.hstack([predicted(tensors["draft"][[pair]], drafts[pair]) for pair in pairs])
        margins = tuple(float(one) for one in (after - before)[valid].std(axis=0))
    held = Held(scores[valid], before[valid], None if after is None else after[valid])
    tau = chosen_tau(held, margins, kept)
    costs = None
    if known_of_all(outcomes, "cost_usd", rungs):
        costs = [float(np.mean([one.cost_usd[rung] for one in outcomes])) for rung in rungs]
    card = {
        "rungs": list(rungs),
        "encoder": encoder.name,
        "dim": encoder.dim,
        "tau": tau,
        "margins": list(margins),
        "costs_usd": costs,
        "data": data,
        "date": datetime.now(UTC).date().isoformat(),
        "outcomes": len(outcomes),
        "kept": kept,
        "seed": seed,
    }
    rows = tuple(_rows(held, margins, rungs, tau, kept))
    return Trained(predictor=Predictor(tensors, {**card, "validation": list(rows)}), rows=rows)


@dataclass(frozen=True, slots=True)
class Held:
    """Outcomes that were not trained on: scores `(n, rungs)`, predicted gains `(n, rungs - 1)`."""

    scores: Floats
    before: Floats
    after: Floats | None = None

    def ends(self, rule: Rule) -> NDArray[np.intp]:
        """Return the rung whose reply stands, `(n,)`."""
        after = [None] * len(self.before) if self.after is None else self.after
        return np.array([rule.end(b, a) for b, a in zip(self.before, after, strict=True)])

    def quality(self, ends: NDArray[np.intp]) -> float:
        """Return the mean score of the rungs that answer."""
        return float(self.scores[np.arange(len(ends)), ends].mean())


def scores_of(outcomes: Sequence[Outcome], rungs: Sequence[str]) -> Floats:
    """Return the scores, `(n, rungs)`."""
    return np.array([[one.scores[rung] for rung in rungs] for one in outcomes])


def split(count: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the places that are trained on, and those that are held out."""
    order = np.random.default_rng(seed).permutation(count)
    held = round(count * VALIDATED)
    return order[held:], order[:held]


def fit(features: Floats, targets: Floats) -> NDArray[np.float32]:
    """Return ridge weights `(targets, features + 1)`, the intercept last.

    The penalty is chosen for each target by leaving one out. Source: Golub, Heath and Wahba,
    Technometrics 21 (1979), as scikit-learn's `RidgeCV` does it.
    """
    from sklearn.linear_model import RidgeCV  # type: ignore[import-untyped]

    model = RidgeCV(ALPHAS, alpha_per_target=targets.shape[1] > 1).fit(features, targets)
    weights = np.atleast_2d(model.coef_)
    return np.column_stack((weights, np.ravel(model.intercept_))).astype(np.float32)


def predicted(weights: NDArray[np.float32], features: Floats) -> Floats:
    """Return what such weights predict, `(n, targets)`."""
    found: Floats = features @ weights[:, :-1].T + weights[:, -1]
    return found


def rule_at(tau: float, margins: Sequence[float]) -> Rule:
    """Return the rule with one tau for all pairs."""
    return Rule(taus=(tau,) * len(margins), margins=tuple(margins))


def chosen_tau(held: Held, margins: Sequence[float], kept: float) -> float:
    """Return the greatest tau with which the share `kept` of what the dearest rung gains is kept.

    Where no tau keeps so much, the least that was tried.
    """
    cheapest, dearest = held.scores[:, 0].mean(), held.scores[:, -1].mean()
    wanted = cheapest + kept * (dearest - cheapest)
    predictions = held.before if held.after is None else np.vstack((held.before, held.after))
    spread = max(margins)
    taus = np.linspace(predictions.min() - spread - 1e-6, predictions.max(), STEPS)
    enough = [
        float(tau) for tau in taus if held.quality(held.ends(rule_at(tau, margins))) >= wanted
    ]
    return max(enough, default=float(taus[0]))


def _drafts(
    outcomes: Sequence[Outcome],
    rung: str,
    queries: Floats,
    encoder: Encoder,
    refuses: Callable[[str, str], bool],
) -> Floats:
    """Return the features of the drafts of a rung, without the one that is always 1."""
    vectors = encoder.encode([one.draft[rung] for one in outcomes])
    rows = [
        draft_features(
            query,
            vector,
            Draft(
                text=one.draft[rung],
                refuses=refuses(one.draft[rung], one.query),
                logprob=one.logprob.get(rung),
            ),
        )
        for one, query, vector in zip(outcomes, queries, vectors, strict=True)
    ]
    return np.array(rows)[:, :-1]


def _rows(
    held: Held, margins: Sequence[float], rungs: Sequence[str], tau: float, kept: float
) -> Sequence[dict[str, JSON]]:
    """Return a row for each rung alone, for some values of tau, and for the best that there is."""
    ends = {f"always {rung}": np.full(len(held.scores), place) for place, rung in enumerate(rungs)}
    ends |= {f"tau {one:g}": held.ends(rule_at(one, margins)) for one in (0.0, 0.05, 0.1, 0.2)}
    ends[f"tau {tau:.3f} (keeps {kept:.0%})"] = held.ends(rule_at(tau, margins))
    ends["oracle"] = held.scores.argmax(axis=1)
    return [
        {
            "method": name,
            "quality": round(held.quality(one), 4),
            **{
                f"answers_{rung}": round(float((one == place).mean()), 4)
                for place, rung in enumerate(rungs)
            },
            "queries": len(one),
        }
        for name, one in ends.items()
    ]
