"""The function agents of the bundle by name, and what they say to a query as plain text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from importlib import import_module
from typing import Any

import pytest

from callboard.agents.bundled import bundled_agents, dates, time_zones
from callboard.values import AgentResult


def _load(reference: str) -> Callable[[str], Any]:
    module, _, name = reference.partition(":")
    function: Callable[[str], Any] = getattr(import_module(module), name)
    return function


class Said:
    """Asks function agents; what is declined or not there is told as None."""

    def __init__(self) -> None:
        self.functions = {
            agent.name: _load(agent.function) for agent in bundled_agents() if agent.function
        }
        # The clock stands still, so that an answer does not change from one minute to the next.
        self.functions["dates"] = partial(dates.answer, today=date(2026, 11, 22))
        self.functions["time_zones"] = partial(
            time_zones.answer, now=datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
        )

    def result(self, agent: str, query: str) -> AgentResult | str | None:
        result: AgentResult | str | None = self.functions[agent](query)
        return result

    def __call__(self, agent: str, query: str) -> str | None:
        result = self.result(agent, query)
        if isinstance(result, AgentResult):
            return result.text if result.answered else None
        return result


@pytest.fixture(scope="session")
def said() -> Said:
    return Said()
