"""A large catalogue: thousands of tools and packages around the agents of a smaller set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ...agents.spec import Agent
from .files import AgentNames, make_agent, read_lines
from .routing_set import RoutingSet


def catalogue(
    data: Path,
    around: Callable[[Path], RoutingSet],
    *,
    packages: bool = False,
    name: str = "catalogue",
) -> RoutingSet:
    """Return the set `around` with the tools of public catalogues as further agents.

    No query is meant for them, though some could answer: a figure on this set is a lower bound.
    With `packages` the packages of a Linux distribution come too.
    """
    inner = around(data)
    own = {agent.name for agent in inner.agents}
    others = distractors(data, taken=own, without=f"tcandon_{inner.name}", packages=packages)
    return replace(inner, name=name, agents=(*inner.agents, *others))


def distractors(
    data: Path, *, taken: set[str], without: str = "", packages: bool = True
) -> Iterator[Agent]:
    """Yield an agent for each entry of the catalogue, then each package, no name twice.

    Entries whose source is `without` are left out, names that are `taken` not given.
    """
    names = AgentNames(taken)
    for row in read_lines(data / "catalogue", "union"):
        if row["source"] != without:
            yield make_agent(names.name(row["name"]), row["description"])
    if packages:
        for row in read_lines(data / "catalogue", "debian_packages"):
            yield make_agent(names.name(row["id"]), row["description"])
