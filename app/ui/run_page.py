"""One run: its answer, decision, steps, memory and answers, and asking it again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import streamlit as st

from ...board import Board
from ...errors import CallboardError
from ...values import EVERYONE, Remembered, Run
from ..views import memo_of, run_cost_text, time_text, tokens_text
from .comparison import draw_replay
from .conversation import usual_costs
from .drawings.answers import draw_answers
from .drawings.decision import draw_decision
from .drawings.experts import draw_experts
from .drawings.recall import draw_memory
from .drawings.steps import draw_tree, draw_waterfall
from .prose import literal, prose
from .visitor import Visitor

STATES = {"done": "green", "failed": "red", "cancelled": "orange"}


def draw_run_page(board: Board, who: Visitor, run: Run) -> None:
    """Draw all that is known of a run."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "All runs", icon=":material/arrow_back:", type="tertiary", on_click=_leave, key="leave"
        )
        if run.scope.session is not None and run.scope.user == who.user:
            st.page_link(
                "screens/chat.py",
                label="Its conversation",
                icon=":material/forum:",
                query_params={"session": run.scope.session},
            )
    _draw_head(run)
    tabs = st.tabs(["Decision", "Steps", "Memory", "Answers", "Ask again", "Feedback"])
    with tabs[0]:
        draw_decision(run, usual=usual_costs(board, who.seen))
    with tabs[1]:
        draw_waterfall(run)
        draw_tree(run)
        draw_experts(run)
    with tabs[2]:
        draw_memory(run, _pieces(board, run))
    with tabs[3]:
        draw_answers(run)
    with tabs[4]:
        draw_replay(board, who, run)
    with tabs[5]:
        _draw_feedback(board, run)


def _draw_head(run: Run) -> None:
    st.subheader(literal(run.query, 200), anchor=False)
    if len(run.query) > 200:
        with st.expander("The whole question"):
            st.code(run.query, language=None, wrap_lines=True)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(run.status, color=STATES.get(run.status, "gray"))  # type: ignore[arg-type]
        st.caption(
            f"{run.created_at.astimezone():%Y-%m-%d %H:%M:%S} · {literal(run.scope.user)} · "
            f"{time_text(run.latency_s)} · {literal(run_cost_text(run))} · "
            f"{tokens_text(tuple(step.usage for step in run.steps)) or 'no'} tokens · `{run.id}`"
        )
    with st.container(border=True):
        st.markdown(prose(run.answer or run.error or f"(no answer: {run.status})"))


def _pieces(board: Board, run: Run) -> Mapping[str, Remembered]:
    """Return the pieces of memory that the memo was made of, as far as they still exist."""
    found = {}
    for id_ in memo_of(run).get("chunk_ids", ()):
        for user in (run.scope.user, EVERYONE):
            with suppress(CallboardError):  # it was forgotten, or is the other's
                found[id_] = board.memory.get_sync(id_, user=user)
    return found


def _draw_feedback(board: Board, run: Run) -> None:
    given = board.list_feedback_sync(run.id, undone=True, user=run.scope.user)
    if not given:
        st.info("Nobody has said anything of this run. Thumbs stand under its answer in the chat.")
        return
    rows = [
        {
            "Said": one.created_at.astimezone(),
            "Agents": list(one.agents),
            "Score": one.score,
            "Comment": one.comment,
            "Counts for": list(one.standing),
        }
        for one in given
    ]
    st.dataframe(rows, hide_index=True, alt="Feedback on this run")


def _leave() -> None:
    st.query_params.pop("run", None)
    st.query_params.pop("beside", None)
