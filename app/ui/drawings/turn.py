"""A turn in the chat: the decision line under an answer, and a turn that still goes on."""

from __future__ import annotations

import streamlit as st

from ....values import Run
from ...views import run_cost_text, tiers_text, time_text
from ..progress import DOING, Progress
from ..prose import literal, prose

MARKS = {
    "running": ":material/progress_activity:",
    "done": ":material/check:",
    "failed": ":material/error:",
    "cancelled": ":material/block:",
}


def decision_line(run: Run) -> str:
    """Return who answered, at which tiers of memory, what it cost and how long it took."""
    decision = run.decision
    who: str = run.status
    if decision is not None:
        who = ", ".join(map(literal, decision.agents)) or "no agent"
        who += f" · {decision.method} {decision.confidence:.2f}"
    cost, took = literal(run_cost_text(run)), time_text(run.latency_s)
    return f"{who} · memory {tiers_text(run)} · {cost} · {took}"


def draw_progress(progress: Progress) -> None:
    """Draw a turn that goes on: its steps, the drafts of the agents, the answer so far."""
    with st.status(progress.doing, expanded=not progress.answer, state="running"):
        for step in progress.top:
            what = DOING.get(step.name, step.name)
            whose = f" — {literal(step.agent)}" if step.agent else ""
            took = "" if step.latency_s is None else f" ({time_text(step.latency_s)})"
            error = f": {literal(step.error, 200)}" if step.error else ""
            st.markdown(f"{MARKS[step.status]} {what}{whose}{took}{error}")
    if not progress.answer and progress.drafts:
        for column, (agent, text) in zip(
            st.columns(len(progress.drafts), border=True), progress.drafts.items(), strict=True
        ):
            with column:
                st.caption(f"{literal(agent)} writes")
                st.markdown(prose(text) or "…")
    if progress.answer:
        st.markdown(prose(progress.answer))
