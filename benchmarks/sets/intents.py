"""CLINC150 and HWU64: one query, one intent, with TCAR's descriptions of an agent per intent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...agents.spec import Agent
from .files import described, make_agents, read_lines, read_object
from .routing_set import Labelled, RoutingSet


def clinc150(data: Path) -> RoutingSet:
    """150 intents of 10 domains, and queries that fit none (arXiv 1909.02027)."""
    folder = data / "clinc150"
    agents = make_agents(described(read_lines(data / "tcandon_agents", "clinc150")))
    by_label = {
        label: agents[agent]
        for label, agent in read_object(folder, "label2agent").items()
        if agent in agents
    }
    return RoutingSet(
        name="clinc150",
        agents=tuple(agents.values()),
        train=_queries(folder, "train", by_label),
        valid=_queries(folder, "val", by_label),
        test=_queries(folder, "test", by_label),
        oos_valid=tuple(row["text"] for row in read_lines(folder, "oos_val")),
        oos_test=tuple(row["text"] for row in read_lines(folder, "oos_test")),
    )


def hwu64(data: Path) -> RoutingSet:
    """64 intents of a home assistant, in lower case (arXiv 1903.05566); none is out of scope."""
    folder = data / "hwu64"
    agents = make_agents(described(read_lines(data / "tcandon_agents", "hwu64")))
    return RoutingSet(
        name="hwu64",
        agents=tuple(agents.values()),
        train=_queries(folder, "train", agents),
        valid=_queries(folder, "valid", agents),
        test=_queries(folder, "test", agents),
        drawn={shots: _queries(folder, f"train_{shots}", agents) for shots in (5, 10)},
    )


def _queries(folder: Path, name: str, agents: Mapping[str, Agent]) -> tuple[Labelled, ...]:
    return tuple(
        Labelled(query=row["text"], labels=frozenset({agents[row["label"]].name}))
        for row in read_lines(folder, name)
    )
