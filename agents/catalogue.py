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
    return tuple(
        agent.model_copy(update={"documents": below(path.resolve().parent, agent.documents)})
        for agent in parse_agents(str(path), _content(path))
    )


def parse_agents(name: str, content: bytes) -> tuple[Agent, ...]:
    """Return the agents of a file by its name and what it holds; documents stay as they are named.

    Raises:
        InvalidInput: as `read_agents` does.
    """
    agents: dict[str, Agent] = {}
    for number, entry in enumerate(_entries(name, content), start=1):
        where = f"{name!r}, agent {number}"
        if not isinstance(entry, dict):
            raise InvalidInput(f"{where} is {entry!r}. Write fields, for example:\n{_EXAMPLE}")
        try:
            agent = Agent.model_validate(entry)
        except InvalidInput as error:
            raise InvalidInput(f"{where}: {error}") from error
        if agent.name in agents:
            raise InvalidInput(f"{where}: the name {agent.name!r} is taken. Rename one of the two.")
        agents[agent.name] = agent
    return tuple(agents.values())


def write_agents(path: Path, agents: Iterable[Agent]) -> None:
    """Write `agents` to a YAML file that `read_agents` reads; what is as by default is left out.

    Raises:
        InvalidInput: the file can't be written.
    """
    try:
        path.write_text(agents_yaml(agents), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{str(path)!r} can't be written: {error.strerror}.") from error


def agents_yaml(agents: Iterable[Agent]) -> str:
    """Return `agents` as YAML that `parse_agents` reads; what is as by default is left out."""
    entries = [
        agent.model_dump(mode="json", exclude_defaults=True, exclude_none=True) for agent in agents
    ]
    return yaml.safe_dump({"agents": entries}, sort_keys=False, allow_unicode=True, width=100)


def _entries(name: str, content: bytes) -> list[JSON]:
    data = _parsed(name, content)
    if not isinstance(data, dict) or not isinstance(data.get("agents"), list):
        raise InvalidInput(f"{name!r} has no list 'agents'. Write for example:\n{_EXAMPLE}")
    for key in data:
        if key != "agents":
            raise InvalidInput(f"{name!r}: {key!r} is not a known key. Only 'agents' is.")
    entries: list[JSON] = data["agents"]
    return entries


def _content(path: Path) -> bytes:
    _check_suffix(str(path))
    try:
        if os.path.getsize(path) > MAX_BYTES:
            raise InvalidInput(f"{str(path)!r} is larger than {MAX_BYTES:,} bytes. Split it.")
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{str(path)!r} can't be read: {error.strerror}.") from error


def _check_suffix(name: str) -> str:
    suffix = Path(name).suffix.lower()
    if suffix not in _SUFFIXES:
        raise InvalidInput(f"{name!r} is no file of agents. Name one of {', '.join(_SUFFIXES)}.")
    return suffix


def _parsed(name: str, content: bytes) -> Any:
    suffix = _check_suffix(name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name!r} is not UTF-8 text: {error.reason}.") from error
    try:
        match suffix:
            case ".toml":
                return tomllib.loads(text)
            case ".json":
                return json.loads(text)
            case _:
                return yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        kind = suffix.removeprefix(".").upper()
        raise InvalidInput(f"{name!r} is not valid {kind}: {error}. Mend it.") from error
