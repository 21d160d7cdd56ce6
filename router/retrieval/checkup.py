"""How well agents can be told apart, by their own examples and by everyday queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from ...values import AgentCheck, Checkup, Confusion
from .calibration import Trial
from .knowledge import Knowledge
from .scoring import probabilities

ALIKE = 0.8
"""From this cosine on, two agents say nearly the same of themselves."""
_HUB = 4.0
"""A hub is first for this many times its share of everyday queries, and for 5 % at least.

Among few agents, where somebody has to be first, for half of the queries beyond its share.
"""
_COMPARED = 2000
"""With more agents, pairs are not compared with each other."""


def check_up(
    known: Mapping[str, Knowledge], trials: Sequence[Trial], firsts: Sequence[str]
) -> Checkup:
    """Return what is wrong with agents.

    `trials` are their examples, scored as if they were not theirs; `firsts` is who was first for
    each of many everyday queries.
    """
    confusions = [found for trial in trials if (found := _confusion(trial)) is not None]
    asked = Counter(trial.agent for trial in trials)
    missed = Counter(one.agent for one in confusions)
    attracted = Counter(one.other for one in confusions)
    drawn = Counter(firsts)
    return Checkup(
        agents=tuple(
            AgentCheck(
                agent=name,
                examples=len(one.examples),
                tried=asked[name],
                first=asked[name] - missed[name],
                attracts=attracted[name],
                hub_share=drawn[name] / len(firsts) if _is_hub(drawn[name], firsts, known) else 0.0,
            )
            for name, one in sorted(known.items())
        ),
        confusions=tuple(sorted(confusions, key=lambda one: (one.agent, one.other, one.query))),
        alike=tuple(_alike(known)),
    )


def _confusion(trial: Trial) -> Confusion | None:
    if trial.right == 0:
        return None
    shares = probabilities(trial.relevance)
    own = 0.0 if trial.right is None else float(shares[trial.right])
    return Confusion(
        agent=trial.agent,
        other=trial.names[0],
        query=trial.query,
        probability=round(own, 4),
        other_probability=round(float(shares[0]), 4),
    )


def _is_hub(count: int, firsts: Sequence[str], known: Mapping[str, Knowledge]) -> bool:
    share = 1 / max(1, len(known))
    return count > max(0.05, min(_HUB * share, (1 + share) / 2)) * len(firsts)


def _alike(known: Mapping[str, Knowledge]) -> list[tuple[str, str, float]]:
    names = sorted(known)
    if not 2 <= len(names) <= _COMPARED:
        return []
    said = np.stack([known[name].document for name in names])
    cosines = said @ said.T
    pairs = [
        (one, other, round(float(cosines[i, j]), 3))
        for (i, one), (j, other) in combinations(enumerate(names), 2)
        if cosines[i, j] >= ALIKE
    ]
    return sorted(pairs, key=lambda pair: -pair[2])
