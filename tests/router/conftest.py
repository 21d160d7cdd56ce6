"""What the tests of the reasoning router share: a case, and journals that ask a scripted model."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from callboard.agents.spec import Agent
from callboard.errors import BudgetExceeded
from callboard.model_settings import ModelSettings
from callboard.models.gateway import Gateway
from callboard.models.prices import PriceBook
from callboard.models.scripted import ScriptedModel
from callboard.models.unrecorded import UnrecordedJournal
from callboard.router.reasoning.prompt import Case
from callboard.values import Reservation, Usage

AGENTS = (
    Agent(name="units", description="Converts units."),
    Agent(name="billing", description="Invoices, charges and refunds."),
    Agent(name="dates", description="Counts days.", examples=("how many days until May?",)),
)


class Purse:
    """A meter that pays for `calls` calls and refuses more; None: for as many as are made."""

    def __init__(self, calls: int | None) -> None:
        self._left = calls

    async def reserve(self, amount_usd: Decimal | None, *, model: str) -> Reservation:
        if self._left == 0:
            raise BudgetExceeded(f"Nothing is left for {model!r}.")
        self._left = None if self._left is None else self._left - 1
        return Reservation(id="", amount_usd=amount_usd)

    async def settle(self, reservation: Reservation, usage: Usage) -> None:
        pass

    async def release(self, reservation: Reservation) -> None:
        pass


@pytest.fixture
def make_case() -> Callable[..., Case]:
    def make(query: str = "I was charged twice", **changed: Any) -> Case:
        given = {"tenant": "t", "registry_version": 1, "shortlist": AGENTS, "max_agents": 2}
        return Case(query=query, **{**given, **changed})

    return make


@pytest.fixture
def journal_to() -> Callable[..., UnrecordedJournal]:
    def journal(model: ScriptedModel, *, calls: int | None = None) -> UnrecordedJournal:
        gateway = Gateway(
            {"main": ModelSettings(model="openai/scripted", retries=0, logprobs=True)},
            prices=PriceBook(),
            cache_dir=Path(),
            replacements={"main": model},
        )
        return UnrecordedJournal(gateway, Purse(calls))

    return journal
