"""How turns went: money, routing and speed, as figures at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import streamlit as st

from ....records import Spend, TurnFigures
from ...views import money_text, sum_text, time_text


def draw_health(turns: TurnFigures, spend: Sequence[Spend]) -> None:
    """Draw the figures of a time."""
    known = sum((one.known_usd for one in spend), Decimal(0))
    unknown = sum(one.unknown for one in spend)
    calls = sum(one.calls for one in spend)
    tokens = sum(one.input_tokens + one.output_tokens for one in spend)
    with st.container(horizontal=True):
        _figure("Spent", sum_text(known, known=not unknown), f"{calls:,} calls of models")
        _figure(
            "Calls of unknown cost",
            f"{unknown:,}",
            "Their models have no price. Set one in [models.NAME] of callboard.toml.",
        )
        _figure("Per answered query", money_text(turns.cost_per_answer_usd), _answered(turns))
        _figure("Tokens", f"{tokens:,}", "Read and written, as far as the endpoints tell.")
    with st.container(horizontal=True):
        _figure("Turns", f"{turns.turns:,}", _answered(turns))
        _figure("Time, p50", time_text(turns.p50_s), "Half of the turns were quicker.")
        _figure("Time, p95", time_text(turns.p95_s), "19 of 20 turns were quicker.")
        size = turns.mean_set_size
        _figure("Agents per turn", "-" if size is None else f"{size:.2f}", "Of those called.")
    with st.container(horizontal=True):
        _figure(
            "No model to route",
            _share(None if turns.reasoned_share is None else 1 - turns.reasoned_share),
            f"Retrieval decided alone; a model judged {_share(turns.reasoned_share)}.",
        )
        _figure(
            "Which saved",
            money_text(turns.saved_usd) if turns.reasoned else "-",
            "At the mean cost of a turn in which a model did judge; a dash: none did.",
        )
        _figure(
            "Fell back",
            _share(turns.fallback_share),
            "No agent fitted, or judging failed.",
        )
        _figure("Out of scope", _share(turns.out_of_scope_share), "No agent fitted.")


def _figure(label: str, value: str, help_: str) -> None:
    st.metric(label, value.replace("$", "\\$"), help=help_ or None, border=True, width=172)


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _answered(turns: TurnFigures) -> str:
    return f"{turns.answered:,} of {turns.turns:,} turns were answered."
