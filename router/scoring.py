"""From cosines to a relevance per agent, a probability per agent, and a score of being in scope.

Constants were chosen on the validation parts of CLINC150 and HWU64 (benchmarks/README.md).
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from .index import Nearness, Vectors

EXAMPLES_SHARE = 0.8
"""The most that examples (the nearest one, and the centroid of all) weigh beside the description.

With n examples they weigh n / (n + 1) of it: one example says little of what an agent is for.
"""
DESCRIPTION_BONUS = 0.09
"""Descriptions lie farther from queries than examples do; this puts both on one scale."""
TEMPERATURE = 0.045
GUARD_THRESHOLD = 0.5
USUAL_BORDER = 0.07
"""The margin from which a query is in scope, where the agents do not say otherwise."""
_BORDER_WIDTH = 0.05
_FOREIGN_WEIGHT = 0.5
_FOREIGN_SLACK = 0.1
"""An agent loses what a query is nearer to what it does not do than to what it does, and a bit."""
_BACKGROUND_WEIGHT = 0.75
_BACKGROUND_NEIGHBOURS = 5


def usual_nearness(all_nearness: list[Nearness]) -> Nearness:
    """Return what each agent has in common with the background on average.

    Subtracting it takes away the advantage of hubs: agents that are near to everything.
    """
    return Nearness(
        **{
            field.name: np.mean([getattr(near, field.name) for near in all_nearness], axis=0)
            for field in fields(Nearness)
        }
    )


def relevance(near: Nearness, usual: Nearness, examples: Vectors) -> Vectors:
    """Return the relevance of every agent, (n_agents,): about 0 if unrelated, 0.5 for a match.

    `examples` holds the number of examples of every agent.
    """
    description = (
        near.name + near.whole + near.phrase - usual.name - usual.whole - usual.phrase
    ) / 3
    taught = (near.example + near.centroid - usual.example - usual.centroid) / 2
    weight = EXAMPLES_SHARE * examples / (examples + 1)
    scores = (1 - weight) * (description + DESCRIPTION_BONUS) + weight * taught
    foreign = near.not_its - np.maximum(near.example, near.phrase) + _FOREIGN_SLACK
    left: Vectors = (scores - _FOREIGN_WEIGHT * np.maximum(0, foreign)).astype(np.float32)
    return left


def probabilities(scores: Vectors) -> Vectors:
    """Return the probability of every agent to be the one that should answer, (n_agents,)."""
    shifted = np.exp((scores - scores.max()) / TEMPERATURE)
    shares: Vectors = shifted / shifted.sum()
    return shares


def nearest_mean(cosines: Vectors) -> float:
    """Return how near the background is: the mean of the nearest few of its cosines."""
    if not len(cosines):
        return 0.0
    few = min(_BACKGROUND_NEIGHBOURS, len(cosines))
    return float(np.partition(cosines, -few)[-few:].mean())


def margin(best_relevance: float, background: float) -> float:
    """Return by how much the best agent is nearer than the background."""
    return best_relevance - _BACKGROUND_WEIGHT * background


def in_scope_score(margin: float, border: float) -> float:
    """Return how surely a query is in scope, in 0..1; 0.5 at the border."""
    return float(1 / (1 + np.exp(-(margin - border) / _BORDER_WIDTH)))
