"""The Schema-Guided Dialogue set (arXiv 1909.05855): user turns with all that was said before.

The agents are the intents of the test services, as `Domain:Intent`. Their descriptions come from
TCAR, from the schema itself, or from SGD-X (arXiv 2110.06800): five paraphrases of the schema.
A turn with one label is in `test`. Of those with two, the turns that select what one agent offered
and wish for something of another are in `two_label`; those that merely thank are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...agents.spec import Agent
from ...values import Exchange
from .files import AgentNames, described, make_agent, make_agents, read_lines
from .routing_set import Labelled, RoutingSet


def sgd(data: Path) -> RoutingSet:
    """Return the set with TCAR's descriptions, of which some are wrong; 29 agents."""
    served = {label for label, _, _ in _intents(read_lines(data / "sgd", "test_schema"))}
    rows = described(read_lines(data / "tcandon_agents", "sgd"))
    return _set("sgd", data, make_agents((label, text) for label, text in rows if label in served))


def sgd_tcar(data: Path) -> RoutingSet:
    """Return the set with all 39 agents that TCAR lists, also those that no test turn needs."""
    return _set(
        "sgd-tcar", data, make_agents(described(read_lines(data / "tcandon_agents", "sgd")))
    )


def sgd_schema(data: Path) -> RoutingSet:
    """Return the set with the schema's own descriptions; 35 agents."""
    schema = read_lines(data / "sgd", "test_schema")
    texts: dict[str, list[str]] = {}
    for label, _, text in _intents(schema):
        texts.setdefault(label, []).append(text)
    return _set(
        "sgd-schema",
        data,
        make_agents((label, " / ".join(found)) for label, found in texts.items()),
    )


def sgdx(data: Path, version: int) -> RoutingSet:
    """Return the set with the names and descriptions of paraphrase `version` (1 to 5)."""
    schema = read_lines(data / "sgd", "test_schema")
    paraphrase = {
        service["service"]: service
        for service in read_lines(data / "sgd", f"sgdx_v{version}_test_schema")
    }
    # A service is called as before with the number of the version behind; its intents keep their
    # order.
    said = [paraphrase[f"{service['service']}{version}"] for service in schema]
    texts: dict[str, list[str]] = {}
    called: dict[str, str] = {}
    for (label, _, _), (_, name, text) in zip(_intents(schema), _intents(said), strict=True):
        texts.setdefault(label, []).append(text)
        called.setdefault(label, f"{label.split(':')[0]}:{name}")
    names = AgentNames()
    agents = {
        label: make_agent(names.name(called[label]), " / ".join(found))
        for label, found in texts.items()
    }
    return _set(f"sgdx_v{version}", data, agents)


def _intents(schema: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yield label, name and description of every intent."""
    for service in schema:
        domain = service["service"].rpartition("_")[0]
        for intent in service["intents"]:
            about = service["description"].rstrip(". ")
            yield f"{domain}:{intent['name']}", intent["name"], f"{about}. {intent['description']}"


def _set(name: str, data: Path, agents: Mapping[str, Agent]) -> RoutingSet:
    folder = data / "sgd"
    test = read_lines(folder, "test_turns")
    train = read_lines(folder, "train_turns_sample8000")
    return RoutingSet(
        name=name,
        agents=tuple(agents.values()),
        # "Yes, please." teaches nothing: only a turn that brings its intent up is an example.
        train=_turns((row for row in train if row["new"]), agents, labels=1),
        valid=_turns(read_lines(folder, "dev_turns"), agents, labels=1),
        test=_turns(test, agents, labels=1),
        two_label=_turns((row for row in test if _selects(row)), agents, labels=2),
    )


def _selects(row: Mapping[str, Any]) -> bool:
    return any(acts == ["SELECT"] for acts in row["acts"].values())


def _turns(
    rows: Iterator[dict[str, Any]] | Sequence[dict[str, Any]],
    agents: Mapping[str, Agent],
    *,
    labels: int,
) -> tuple[Labelled, ...]:
    return tuple(
        Labelled(
            query=row["history"][-1][1],
            labels=frozenset(agents[label].name for label in row["labels"]),
            history=_exchanges(row["history"][:-1]),
        )
        for row in rows
        if len(row["labels"]) == labels and all(label in agents for label in row["labels"])
    )


def _exchanges(turns: Sequence[Sequence[str]]) -> tuple[Exchange, ...]:
    """Pair what the user said with what the system answered; which agent did is not known."""
    texts = [text for _, text in turns]
    return tuple(
        Exchange(query=query, answer=answer)
        for query, answer in zip(texts[::2], texts[1::2], strict=True)
    )
