"""The month: what it cost so far against what it may cost, and what it will if it goes on so."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from decimal import Decimal

import streamlit as st

from ...board import Board
from ..views import money_text, sum_text
from .prose import literal
from .visitor import Visitor


def draw_month(board: Board, who: Visitor) -> None:
    """Draw the bar of this month's budget with its forecast; nothing without a budget."""
    budget = board.settings.ui.monthly_budget_usd
    if budget is None or not who.operator:
        return
    now = datetime.now(UTC)
    begun = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    spend = board.records.spend_sync(since=begun, user=None)
    known = sum((one.known_usd for one in spend), Decimal(0))
    unknown = sum(one.unknown for one in spend)
    ahead = forecast(known, now)
    share = min(1.0, float(known / budget))
    st.progress(
        share,
        text=f"{now:%B}: {literal(sum_text(known, known=not unknown))} of "
        f"{literal(money_text(budget))}, {literal(money_text(ahead))} by the end of the month "
        "if it goes on so",
    )
    if ahead > budget:
        st.warning(
            f"That is {literal(money_text(ahead - budget))} more than the month may cost. "
            "Nothing is stopped by it; [limits] budget_usd stops a turn.",
            icon=":material/trending_up:",
        )


def forecast(known_usd: Decimal, now: datetime) -> Decimal:
    """Return what the month will cost if the rest of it is like what there was of it."""
    days = calendar.monthrange(now.year, now.month)[1]
    gone = Decimal(now.day - 1) + Decimal(now.hour * 3600 + now.minute * 60 + now.second) / 86400
    return known_usd / max(gone, Decimal("0.5")) * days
