"""MetaTool and Seal-Tools: which tools of many does a query need?"""

from __future__ import annotations

import hashlib
from pathlib import Path

from .files import described, make_agents, read_lines
from .routing_set import SEED, Labelled, RoutingSet


def metatool(data: Path) -> RoutingSet:
    """199 tools, one for each query (arXiv 2310.03128).

    The set has no parts of its own: of ten queries one is for testing, one for validation, by a
    hash of their text. A query of the reliability part counts as out of scope, for none of the ten
    tools that are `offered` with it fits; it stands in no other part.
    """
    folder = data / "metatool"
    agents = make_agents(described(read_lines(folder, "tools")))
    none_fits = {
        row["query"]: row["offered"] for row in read_lines(folder, "reliability_none_correct")
    }
    labels: dict[str, set[str]] = {}
    for row in read_lines(folder, "single_tool"):
        if row["query"] not in none_fits:
            labels.setdefault(row["query"], set()).add(agents[row["label"]].name)
    parts: dict[int, list[Labelled]] = {}
    for query, names in labels.items():
        parts.setdefault(_tenth(query), []).append(Labelled(query=query, labels=frozenset(names)))
    return RoutingSet(
        name="metatool",
        agents=tuple(agents.values()),
        train=tuple(one for tenth in range(2, 10) for one in parts.get(tenth, ())),
        valid=tuple(parts.get(1, ())),
        test=tuple(parts.get(0, ())),
        oos_valid=tuple(query for query in none_fits if _tenth(query) % 2),
        oos_test=tuple(query for query in none_fits if not _tenth(query) % 2),
        offered={
            query: frozenset(agents[tool].name for tool in tools)
            for query, tools in none_fits.items()
        },
    )


def seal_tools(data: Path) -> RoutingSet:
    """4,076 tools, one to six for each query (arXiv 2405.08355); there are no training queries."""
    folder = data / "seal_tools"
    agents = make_agents(described(read_lines(folder, "tools")))

    def queries(name: str) -> tuple[Labelled, ...]:
        return tuple(
            Labelled(
                query=row["query"],
                labels=frozenset(agents[label].name for label in row["labels"]),
            )
            for row in read_lines(folder, name)
        )

    return RoutingSet(
        name="seal_tools",
        agents=tuple(agents.values()),
        valid=queries("dev"),
        test=(*queries("test_in_domain"), *queries("test_out_domain")),
    )


def _tenth(query: str) -> int:
    """Return which of ten parts a query belongs to; the same on every machine."""
    return int(hashlib.sha256(f"{SEED} {query}".encode()).hexdigest(), 16) % 10
