"""Trying the routing: whose queries an agent would take, and who would be called for one."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from ...board import Board
from ...errors import CallboardError
from ...records import Rehearsal
from ...values import Decision, Run, Scope
from .drawings.decision import draw_decision
from .prose import literal
from .visitor import Visitor

SHOWN = 50


def draw_rehearsal(told: Rehearsal) -> None:
    """Draw what an agent would change if it were registered."""
    if told.examples:
        st.markdown(f"Of its own {told.examples} examples it would be called for **{told.found}**.")
    else:
        st.markdown("It has no examples. Some make it easier to find.")
    if not told.taken:
        st.success(
            f"Of {told.asked} queries of others it would take none.", icon=":material/check:"
        )
        return
    instead = sum(not set(one.before) <= set(one.after) for one in told.taken)
    st.warning(
        f"Of {told.asked} queries of others it would be called for {len(told.taken)}, "
        f"for {instead} of them in place of another agent.",
        icon=":material/call_split:",
    )
    rows = [
        {"Query": one.query, "Now": list(one.before), "With it": list(one.after)}
        for one in told.taken[:SHOWN]
    ]
    st.dataframe(rows, hide_index=True, alt="Queries that it would be called for")


def draw_routing(board: Board, who: Visitor) -> None:
    """Draw who would be called for a question; nobody is."""
    st.caption("Decides, and calls nobody. A model is asked only where retrieval is not sure.")
    query = st.text_input("Question", key="try-routing", placeholder="Why was I charged twice?")
    if not query.strip():
        return
    try:
        decision = board.route_sync(query, user=who.user)
    except CallboardError as error:
        st.error(literal(str(error)))
        return
    names = ", ".join(map(literal, decision.agents)) or "nobody"
    st.markdown(f"**{names}** would be called.")
    draw_decision(_as_run(query, decision))


def _as_run(query: str, decision: Decision) -> Run:
    """Return a decision that belongs to no run in the form in which decisions are drawn."""
    return Run(
        id="",
        scope=Scope(),
        query=query,
        status="done",
        created_at=datetime.now(UTC),
        decision=decision,
    )
