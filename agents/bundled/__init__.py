"""The agents of the demo, whose answers are right although the embedded model is tiny.

One file per agent; `data/agents.yaml` is their catalogue. A function agent finds its own wish in a
query with several, and returns None where there is none for it.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..spec import Agent

__all__ = ["bundled_agents"]


def bundled_agents() -> tuple[Agent, ...]:
    """Return the specifications of the bundled agents, in the order of their catalogue."""
    from ..catalogue import read_agents

    with as_file(files(__name__).joinpath("data", "agents.yaml")) as path:
        return tuple(read_agents(path))
