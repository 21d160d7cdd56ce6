"""Files of JSON lines in the data folder, and agents made of what stands in them."""

from __future__ import annotations

import gzip
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ...agents.spec import MAX_DESCRIPTION, MIN_DESCRIPTION, SLUG, Agent
from ...errors import ConfigurationError

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def read_lines(folder: Path, name: str) -> tuple[dict[str, Any], ...]:
    """Return the rows of `name`.jsonl or `name`.jsonl.gz in `folder`.

    Raises:
        ConfigurationError: there is no such file, or it is damaged.
    """
    file = folder / f"{name}.jsonl"
    packed = folder / f"{name}.jsonl.gz"
    try:
        if packed.is_file():
            text = gzip.decompress(packed.read_bytes()).decode("utf-8")
        elif file.is_file():
            text = file.read_text(encoding="utf-8")
        else:
            raise _missing(folder, f"{name}.jsonl or {name}.jsonl.gz")
        return tuple(json.loads(line) for line in text.split("\n") if line.strip())
    except (OSError, EOFError, ValueError) as error:
        raise ConfigurationError(f"{name!r} in {str(folder)!r} can't be read: {error}") from error


def read_object(folder: Path, name: str) -> dict[str, Any]:
    """Return the JSON object in `name`.json in `folder`.

    Raises:
        ConfigurationError: there is no such file, or it is damaged.
    """
    file = folder / f"{name}.json"
    if not file.is_file():
        raise _missing(folder, file.name)
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{str(file)!r} can't be read: {error}") from error
    return found


def _missing(folder: Path, wanted: str) -> ConfigurationError:
    return ConfigurationError(
        f"There is no {wanted} in {str(folder.absolute())!r}. Name the folder that holds the data "
        "sets with --data; benchmarks/README.md says where they come from."
    )


class AgentNames:
    """Turns the ids of a data set into names of agents; no two ids get the same."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def name(self, label: str) -> str:
        """Return a name for `label`: 'Alarm:AddAlarm' becomes 'alarm-add_alarm'."""
        plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
        domains = (
            re.sub(r"[^a-z0-9]+", "_", _HUMP.sub("_", part).lower()).strip("_")
            for part in plain.split(":")
        )
        slug = "-".join(filter(None, domains)).lstrip("-_0123456789")[:64]
        slug = slug if SLUG.fullmatch(slug) else f"agent_{slug}".rstrip("_")
        name, number = slug, 2
        while name in self._taken:
            name, number = f"{slug[:57]}_{number}", number + 1
        self._taken.add(name)
        return name


def make_agents(rows: Iterable[tuple[str, str]], taken: Iterable[str] = ()) -> dict[str, Agent]:
    """Return an agent for each `(id, description)`, by id; none has a name that is `taken`."""
    names = AgentNames(taken)
    return {label: make_agent(names.name(label), text) for label, text in rows}


def make_agent(name: str, description: str) -> Agent:
    """Return an agent; where the description says nothing, the words of the name do."""
    text = " ".join(_CONTROL.sub(" ", description).split())[:MAX_DESCRIPTION].strip()
    if len(text) < MIN_DESCRIPTION:
        text = f"Handles {re.sub('[-_]+', ' ', name)}."
    return Agent(name=name, description=text)


def described(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield id and description of every row."""
    for row in rows:
        yield row["id"], row["description"]
