"""Asking again beside the record: other agents or tiers, and what would have come of it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ...board import Board
from ...errors import CallboardError
from ...records import RunFilter
from ...store.claims import GOING
from ...values import Run
from ..views import memo_of, money_text, run_cost_text, tiers_text, time_text
from .conversation import EVERY_S
from .prose import literal, prose
from .question import TIERS
from .visitor import Visitor


def draw_replay(board: Board, who: Visitor, run: Run) -> None:
    """Draw what else may be tried with the query of `run`, and the two runs beside each other."""
    st.caption(
        "Asks the same query as it was asked then, with what you change. It has no session and is "
        "not remembered; it costs what its calls cost."
    )
    names = [one.agent.name for one in board.agents() if one.live]
    called = run.decision.agents if run.decision else ()
    left, right = st.columns(2)
    with left:
        agents = st.multiselect(
            "Agents",
            names,
            default=[name for name in called if name in names],
            placeholder="the router chooses",
            key="replay-agents",
        )
    with right:
        memory = st.segmented_control(
            "Memory may cost", TIERS, default="auto", required=True, key="replay-memory"
        )
    if st.button("Ask again", type="primary", icon=":material/replay:", key="replay"):
        try:
            st.query_params["beside"] = board.replay_sync(
                run.id, user=run.scope.user, agents=tuple(agents) or None, memory=memory
            )
        except CallboardError as error:
            st.error(literal(str(error)))
    beside = st.query_params.get("beside") or _last_replay(board, run)
    if beside is not None:
        _draw_beside(board, who, run, beside)


def _last_replay(board: Board, run: Run) -> str | None:
    found = board.records.runs_sync(RunFilter(replays=run.id), limit=1, user=run.scope.user)
    return found.runs[0].id if found.runs else None


def _draw_beside(board: Board, who: Visitor, run: Run, run_id: str) -> None:
    try:
        other = board.records.run_sync(run_id, user=who.seen)
    except CallboardError as error:
        st.error(literal(str(error)))
        return
    if other.status in GOING:
        _await(board, run_id, run.scope.user)
        return
    draw_comparison(run, other)


@st.fragment(run_every=EVERY_S)
def _await(board: Board, run_id: str, user: str) -> None:
    if board.get_sync(run_id, user=user).status not in GOING:
        st.rerun()
    st.status("The board is asked again", state="running")


def draw_comparison(run: Run, other: Run) -> None:
    """Draw two runs of one query beside each other, and how they differ in cost and time."""
    facts: tuple[tuple[str, Callable[[Run], str]], ...] = (
        ("Agents", lambda one: ", ".join(one.decision.agents) if one.decision else "-"),
        ("Routed by", lambda one: one.decision.method if one.decision else "-"),
        ("Memory", tiers_text),
        ("Memo", lambda one: f"{memo_of(one).get('tokens', 0)} tokens"),
        ("Time", lambda one: time_text(one.latency_s)),
        ("Cost", run_cost_text),
    )
    rows = [{"": name, "As it was": told(run), "Asked again": told(other)} for name, told in facts]
    st.dataframe(rows, hide_index=True, alt="The two runs beside each other")
    st.markdown(f"**{literal(difference(run, other))}**")
    for column, title, one in zip(
        st.columns(2, border=True), ("As it was", "Asked again"), (run, other), strict=True
    ):
        with column:
            st.caption(title)
            st.markdown(prose(one.answer or one.error or f"({one.status})"))


def difference(run: Run, other: Run) -> str:
    """Return in words what asking again cost more or less; unknown if one cost is not known."""
    if run.cost_usd is None or other.cost_usd is None:
        return "What they differ in cost is unknown."
    change = other.cost_usd - run.cost_usd
    if not change:
        return "Both cost the same."
    return f"Asked again it cost {money_text(abs(change))} {'more' if change > 0 else 'less'}."
