"""Agents in files: a YAML, TOML or JSON file with a list `agents`, read and written."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from ..errors import InvalidInput
from ..values import JSON
from .passages import below
from .spec import Agent

MAX_BYTES = 10_000_000
_SUFFIXES = (".yaml", ".yml", ".toml", ".json")
_EXAMPLE = "agents:\n  - name: billing\n    description: Invoices, charges and refunds."


def read_agents(path: Path) -> tuple[Agent, ...]:
    """Read the agents of a file; relative documents lie below the folder of the file.

    Raises:
        InvalidInput: the file can't be read, or one entry is wrong; says which and why.
    """
    entries = _entries(path)
    agents: dict[str, Agent] = {}
    for number, entry in enumerate(entries, start=1):
        where = f"{str(path)!r}, agent {number}"
        if not isinstance(entry, dict):
            raise InvalidInput(f"{where} is {entry!r}. Write fields, for example:\n{_EXAMPLE}")
        try:
            agent = Agent.model_validate(entry)
        except InvalidInput as error:
            raise InvalidInput(f"{where}: {error}") from error
        if agent.name in agents:
            raise InvalidInput(f"{where}: the name {agent.name!r} is taken. Rename one of the two.")
        documents = below(path.resolve().parent, agent.documents)
        agents[agent.name] = agent.model_copy(update={"documents": documents})
    return tuple(agents.values())


def write_agents(path: Path, agents: Iterable[Agent]) -> None:
    """Write `agents` to a YAML file that `read_agents` reads; what is as by default is left out.

    Raises:
        InvalidInput: the file can't be written.
    """
    entries = [
        agent.model_dump(mode="json", exclude_defaults=True, exclude_none=True) for agent in agents
    ]
    text = yaml.safe_dump({"agents": entries}, sort_keys=False, allow_unicode=True, width=100)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{str(path)!r} can't be written: {error.strerror}.") from error


def _entries(path: Path) -> list[JSON]:
    data = _parsed(path)
    if not isinstance(data, dict) or not isinstance(data.get("agents"), list):
        raise InvalidInput(f"{str(path)!r} has no list 'agents'. Write for example:\n{_EXAMPLE}")
    for key in data:
        if key != "agents":
            raise InvalidInput(f"{str(path)!r}: {key!r} is not a known key. Only 'agents' is.")
    entries: list[JSON] = data["agents"]
    return entries


def _parsed(path: Path) -> Any:
    if path.suffix.lower() not in _SUFFIXES:
        raise InvalidInput(
            f"{str(path)!r} is no file of agents. Name one of {', '.join(_SUFFIXES)}."
        )
    try:
        if os.path.getsize(path) > MAX_BYTES:
            raise InvalidInput(f"{str(path)!r} is larger than {MAX_BYTES:,} bytes. Split it.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{str(path)!r} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{str(path)!r} is not UTF-8 text: {error.reason}.") from error
    try:
        match path.suffix.lower():
            case ".toml":
                return tomllib.loads(text)
            case ".json":
                return json.loads(text)
            case _:
                return yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        kind = path.suffix.lower().removeprefix(".").upper()
        raise InvalidInput(f"{str(path)!r} is not valid {kind}: {error}. Mend it.") from error
