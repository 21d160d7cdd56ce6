"""A rehearsal: whose queries an agent would take, before it is registered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..agents.snapshot import Registered, Snapshot
from ..models.journal import Journal
from ..records import Rehearsal, Taken
from ..router.router import Question, Router
from ..values import Decision

EXAMPLES = 3
"""Example queries of each other agent that are asked."""
MOST = 400
"""Queries that are asked in all."""


async def rehearse(
    newcomer: Registered,
    snapshot: Snapshot,
    last: Iterable[str],
    router: Router,
    journal: Journal,
) -> Rehearsal:
    """Ask queries without and with the newcomer; `router` is one of its own, that asks no model.

    `last` are queries that were asked before, the newest first.
    """
    agent = newcomer.agent
    others = {one.agent.name: one for one in snapshot.live if one.agent.name != agent.name}
    examples = [query for one in others.values() for query in one.agent.examples[:EXAMPLES]]
    queries = tuple(dict.fromkeys([*examples, *last]))[:MOST]
    named = sorted({**others, agent.name: newcomer}.items())
    without = Snapshot(version=snapshot.version, agents=tuple(others.values()))
    with_it = Snapshot(version=snapshot.version, agents=tuple(one for _, one in named))
    before = await _decide(router, without, queries, journal)
    after = await _decide(router, with_it, (*queries, *agent.examples), journal)
    taken = [
        Taken(query=query, before=old.agents, after=new.agents)
        for query, old, new in zip(queries, before, after, strict=False)
        if agent.name in new.agents
    ]
    # Those where another gives way come first.
    taken.sort(key=lambda one: set(one.before) <= set(one.after))
    return Rehearsal(
        agent=agent.name,
        examples=len(agent.examples),
        found=sum(agent.name in new.agents for new in after[len(queries) :]),
        asked=len(queries),
        taken=tuple(taken),
    )


async def _decide(
    router: Router, snapshot: Snapshot, queries: Sequence[str], journal: Journal
) -> list[Decision]:
    await router.settle(snapshot)
    return [await router.route(Question(query=query), snapshot, journal) for query in queries]
