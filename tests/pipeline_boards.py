"""Boards for tests of whole turns."""

from __future__ import annotations

from decimal import Decimal

from callboard import Board
from callboard.model_settings import ModelSettings, PriceSettings

ABLE = ModelSettings(
    model="openai/scripted",
    price=PriceSettings(input_per_million=Decimal(1), output_per_million=Decimal(2)),
    retries=0,
)
"""A priced model that can judge; a `ScriptedModel` stands in its place."""


def with_agents(board: Board) -> Board:
    """Register two agents that are functions."""

    @board.agent(
        description="Adds, multiplies and divides numbers.",
        examples=["What is 20% of 150?", "what is 3 times 4?"],
        idempotent=True,
    )
    def calculator(query: str) -> str:
        return "15% of 240 is 36."

    @board.agent(
        description="Weekdays, dates and days between dates.",
        examples=["Which weekday is 2026-03-01?", "what date is 30 days after May 2?"],
        idempotent=True,
    )
    def dates(query: str) -> str:
        return "90 days after 2026-01-15 is Wednesday, 2026-04-15."

    return board


TWO = "What is 15% of 240, and which weekday is 90 days after 2026-01-15?"
