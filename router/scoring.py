"""From signals to the relevance of every agent, to probabilities, and to a score of being in scope.

The weights are those of a conditional logit model, fitted on the validation parts of CLINC150,
HWU64 and SGD (benchmarks/README.md): relevance is a logit, and its softmax a probability.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ..search.encoder import Vectors

GUARD_THRESHOLD = 0.5
USUAL_BORDER = 0.235
"""The margin from which a query is in scope, where the agents do not say otherwise."""
_BORDER_WIDTH = 0.05
_RELEVANCE_SCALE = 30.0
"""Relevance in units of cosines: about what the weights of a description add up to."""
_FOREIGN_WEIGHT = 15.0
_FOREIGN_SLACK = 0.1
"""An agent loses what a query is nearer to what it does not do than to what it does, and a bit."""
_BACKGROUND_WEIGHT = 0.25
_BACKGROUND_NEIGHBOURS = 5


@dataclass(frozen=True, slots=True)
class Signals:
    """What the first stage knows of every agent, arrays `(n,)` float32.

    `name`, `said` and `taught` are cosines with the agent's name, with what it says of itself and
    with its examples, from which those of everyday queries were taken; `words` is a BM25 score;
    `examples` counts; `head_meaning` and `head_words` are NaN for agents that no head knows.
    """

    name: Vectors
    said: Vectors
    taught: Vectors
    words: Vectors
    examples: Vectors
    head_meaning: Vectors
    head_words: Vectors

    def at(self, places: NDArray[np.int64]) -> Signals:
        """Return the signals of the agents at these places."""
        return Signals(*(getattr(self, field.name)[places] for field in fields(self)))


def first_scores(signals: Signals) -> Vectors:
    """Return the scores by which agents are chosen for the second stage, `(n,)`."""
    described = 8 * signals.name + 12 * signals.said + 0.4 * signals.words
    learned = _heads(signals) + 3 * signals.taught
    shown = 20 * signals.taught + 0.33 * signals.words
    return _mixed(signals, described, np.where(np.isnan(learned), shown, learned))


def relevance(signals: Signals, *, nearest: Vectors, foreign: Vectors, tokens: Vectors) -> Vectors:
    """Return the relevance of agents, `(n,)`.

    `nearest` is the mean cosine of the nearest examples; `foreign` by how much the query is nearer
    to what the agent does not do than to what it does (-1 if it says nothing of that); `tokens` the
    similarity by late interaction, NaN where it is unknown.
    """
    read = ~np.isnan(tokens)
    tokens = np.where(read, tokens, 0)
    described = np.where(
        read,
        14 * tokens + 8 * signals.name + 10 * signals.said + 0.4 * signals.words,
        11 * signals.name + 14 * signals.said + 0.7 * signals.words,
    )
    learned = 5 * tokens + 3 * nearest + _heads(signals)
    shown = 5 * tokens + 12 * signals.taught + 8 * nearest + 0.33 * signals.words
    scores = _mixed(signals, described, np.where(np.isnan(learned), shown, learned))
    left: Vectors = scores - _FOREIGN_WEIGHT * np.maximum(0, foreign + _FOREIGN_SLACK)
    return left


def _heads(signals: Signals) -> Vectors:
    scores: Vectors = 1.2 * signals.head_meaning + 2.2 * signals.head_words
    return scores


def _mixed(signals: Signals, described: Vectors, taught: Vectors) -> Vectors:
    """Return what description and examples say together: one example says as much as the former."""
    share = signals.examples / (signals.examples + 1)
    mixed: Vectors = (1 - share) * described + np.where(share > 0, share * taught, 0)
    return mixed


def probabilities(scores: Vectors, temperature: float = 1.0) -> Vectors:
    """Return the probability of every agent to be the one that should answer, `(n,)`."""
    shifted = np.exp((scores - scores.max()) / temperature)
    shares: Vectors = shifted / shifted.sum()
    return shares


def nearest_mean(cosines: Vectors) -> float:
    """Return how near the background is: the mean of the nearest few of its cosines."""
    if not len(cosines):
        return 0.0
    few = min(_BACKGROUND_NEIGHBOURS, len(cosines))
    return float(np.partition(cosines, -few)[-few:].mean())


def margin(best_relevance: float, background: float) -> float:
    """Return by how much the best agent is nearer than the background, in units of cosines."""
    return best_relevance / _RELEVANCE_SCALE - _BACKGROUND_WEIGHT * background


def in_scope_score(margin: float, border: float) -> float:
    """Return how surely a query is in scope, in 0..1; 0.5 at the border."""
    return float(1 / (1 + np.exp(-(margin - border) / _BORDER_WIDTH)))
