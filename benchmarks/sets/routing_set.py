"""What a data set for routing is: agents, and queries with the agents that should answer them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, TypeVar

from ...agents.spec import MAX_EXAMPLE, MAX_EXAMPLES, Agent
from ...errors import InvalidInput
from ...values import Exchange

Shots: TypeAlias = Literal[0, 5, 10, "all"]
"""Example queries per agent."""

SEED = 2026

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A query, the names of the agents that should answer it, and what was said before it."""

    query: str
    labels: frozenset[str]
    history: tuple[Exchange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingSet:
    """A data set; a part that it does not have is empty.

    `agents` have no examples; `with_examples` draws them from `train`. `oos_*` are queries that no
    agent should answer. `two_label` are test queries with two right agents, where those of `test`
    have one. `drawn` are few-shot samples that come with the set, by their size. `offered` names
    the agents of an out-of-scope query that is one only among those.
    """

    name: str
    agents: tuple[Agent, ...]
    train: tuple[Labelled, ...] = ()
    valid: tuple[Labelled, ...] = ()
    test: tuple[Labelled, ...] = ()
    oos_valid: tuple[str, ...] = ()
    oos_test: tuple[str, ...] = ()
    two_label: tuple[Labelled, ...] = ()
    drawn: Mapping[int, tuple[Labelled, ...]] = field(default_factory=dict)
    offered: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def limited(self, queries: int) -> RoutingSet:
        """Return the set with at most `queries` of each part but `train`, by a fixed draw."""
        return replace(
            self,
            valid=_some(self.valid, queries),
            test=_some(self.test, queries),
            oos_valid=_some(self.oos_valid, queries),
            oos_test=_some(self.oos_test, queries),
            two_label=_some(self.two_label, queries),
        )


def with_examples(routing_set: RoutingSet, shots: Shots) -> tuple[Agent, ...]:
    """Return the agents with `shots` examples each from the training queries.

    The draw is fixed, and the examples of a smaller one are among those of a larger one. An agent
    with fewer training queries gets what there is. Queries with several labels and those longer
    than an example may be are left out.

    Raises:
        InvalidInput: the set has no training queries.
    """
    if shots == 0:
        return routing_set.agents
    if not routing_set.train:
        raise InvalidInput(
            f"{routing_set.name!r} has no training queries. Measure it with 0 shots."
        )
    given = routing_set.drawn.get(shots) if shots != "all" else None
    queries = _by_agent(routing_set.train if given is None else given)
    most = MAX_EXAMPLES if shots == "all" else shots
    return tuple(
        agent.model_copy(update={"examples": _shuffled(queries.get(agent.name, ()), agent)[:most]})
        for agent in routing_set.agents
    )


def _by_agent(queries: Sequence[Labelled]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for one in queries:
        if len(one.labels) == 1 and len(one.query) <= MAX_EXAMPLE:
            (name,) = one.labels
            found.setdefault(name, {})[" ".join(one.query.split())] = None
    return {name: tuple(texts) for name, texts in found.items()}


def _shuffled(queries: Sequence[str], agent: Agent) -> tuple[str, ...]:
    draw = random.Random(f"{SEED} {agent.name}")
    return tuple(draw.sample(queries, len(queries)))


def _some(queries: tuple[T, ...], most: int) -> tuple[T, ...]:
    if len(queries) <= most:
        return queries
    kept = sorted(random.Random(SEED).sample(range(len(queries)), most))
    return tuple(queries[index] for index in kept)
