"""From signals to the relevance of every agent, to probabilities, and to a score of being in scope.

The weights are those of a conditional logit model, fitted on the validation parts of CLINC150,
HWU64 and SGD (benchmarks/README.md): relevance is a logit, and its softmax a probability.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from ...search.encoder import Vectors

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


def _unknown() -> Vectors:
    return np.array(np.nan, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What is known of how agents fit queries, `(n_queries, n)` or `(n,)` float32; NaN is unknown.

    `name`, `said` and `taught` are cosines with the agent's name, with all that it says and with
    its examples, from which those of everyday queries were taken; `words` is a BM25 score;
    `head_meaning` and `head_words` are scores of the heads. The second stage adds `tokens`, the
    similarity by late interaction, and `nearest`, the mean cosine of the nearest examples.
    """

    name: Vectors
    said: Vectors
    taught: Vectors
    words: Vectors
    head_meaning: Vectors
    head_words: Vectors
    tokens: Vectors = field(default_factory=_unknown)
    nearest: Vectors = field(default_factory=_unknown)

    def at(self, queries: NDArray[np.int64], agents: NDArray[np.int64]) -> Signals:
        """Return the signals of these queries and agents, as the first stage knows them."""
        cells = queries[:, None], agents
        return Signals(
            name=self.name[cells],
            said=self.said[cells],
            taught=self.taught[cells],
            words=self.words[cells],
            head_meaning=self.head_meaning[cells],
            head_words=self.head_words[cells],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """A weight for each of the `Signals`."""

    name: float = 0.0
    said: float = 0.0
    taught: float = 0.0
    words: float = 0.0
    head_meaning: float = 0.0
    head_words: float = 0.0
    tokens: float = 0.0
    nearest: float = 0.0

    def of(self, signals: Signals) -> Vectors:
        """Return the weighted sum; NaN where a signal that has a weight is unknown."""
        used = [
            weight * getattr(signals, name) for name in _NAMES if (weight := getattr(self, name))
        ]
        return sum(used[1:], start=used[0]) if used else np.zeros_like(signals.name)


_NAMES = tuple(one.name for one in fields(Mix))


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How signals become a relevance: by what an agent says of itself, and by its examples.

    Agents that the heads know are scored by `learned`, others with examples by `shown`; `unread` is
    for descriptions that were not read by token. Those of the first stage only choose who is looked
    at more closely.
    """

    described: Mix
    unread: Mix
    learned: Mix
    shown: Mix
    first_described: Mix
    first_learned: Mix
    first_shown: Mix

    def without(self, *signals: str) -> Weights:
        """Return the weights that leave out signals, to learn what they are worth."""
        nothing = dict.fromkeys(signals, 0.0)
        return Weights(
            **{one.name: replace(getattr(self, one.name), **nothing) for one in fields(self)}
        )


WEIGHTS = Weights(
    described=Mix(tokens=14, name=6, said=12, words=0.4),
    unread=Mix(name=9, said=16, words=0.65),
    learned=Mix(tokens=5, nearest=3, head_meaning=1.2, head_words=2.2),
    shown=Mix(tokens=4, taught=10, nearest=7, words=0.3),
    first_described=Mix(name=6, said=14, words=0.4),
    first_learned=Mix(taught=3, head_meaning=1.2, head_words=2.2),
    first_shown=Mix(taught=17, words=0.3),
)


def first_scores(signals: Signals, examples: Vectors, weights: Weights) -> Vectors:
    """Return the scores by which agents are chosen for the second stage.

    `examples` `(n,)` is how many each agent has.
    """
    taught = _either(weights.first_learned, weights.first_shown, signals)
    return _mixed(weights.first_described.of(signals), taught, examples)


def relevance(signals: Signals, examples: Vectors, foreign: Vectors, weights: Weights) -> Vectors:
    """Return the relevance of agents: a logit.

    `foreign` is by how much a query is nearer to what an agent does not do than to what it does,
    -1 if it says nothing of that.
    """
    described = _either(weights.described, weights.unread, signals)
    read = replace(signals, tokens=np.nan_to_num(signals.tokens))
    scores = _mixed(described, _either(weights.learned, weights.shown, read), examples)
    left: Vectors = scores - _FOREIGN_WEIGHT * np.maximum(0, foreign + _FOREIGN_SLACK)
    return left


def _either(mix: Mix, otherwise: Mix, signals: Signals) -> Vectors:
    """Return the sum by `mix`; where a signal of it is unknown, that by the other one."""
    found = mix.of(signals)
    unknown = np.isnan(found)
    return np.where(unknown, otherwise.of(signals), found) if unknown.any() else found


def _mixed(described: Vectors, taught: Vectors, examples: Vectors) -> Vectors:
    """Return what description and examples say together: one example says as much as the former."""
    share = examples / (examples + 1)
    mixed: Vectors = (1 - share) * described + np.where(share > 0, share * taught, 0)
    return mixed.astype(np.float32)


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
