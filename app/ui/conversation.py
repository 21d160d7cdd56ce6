"""The conversation: questions and answers, what goes on now, and what people say of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import streamlit as st

from ...board import Board
from ...records import RunFilter
from ...store.claims import GOING
from ...values import Feedback, Run
from .drawings.decision import draw_decision
from .drawings.turn import decision_line, draw_progress
from .notice import tell_next
from .progress import Progress
from .prose import literal, prose
from .question import TIERS, ask

EVERY_S = 0.3
"""How often a turn that goes on is looked at."""
SHOWN = 30
"""Runs of a conversation that are drawn, the last ones; the others stand among the decisions."""
THUMBS = (-1.0, 1.0)


def runs_of(board: Board, user: str, session: str) -> tuple[Run, ...]:
    """Return the last runs of a session, oldest first; those that ended are read once.

    Where there are more, the page says so.
    """
    page = board.records.runs_sync(RunFilter(session=session), limit=SHOWN, user=user)
    if page.total > SHOWN:
        st.caption(f"The last {SHOWN} of {page.total} questions; all stand under Decisions.")
    ended: dict[str, Run] = st.session_state.setdefault("ended-runs", {})
    runs = []
    for one in reversed(page.runs):
        run = ended.get(one.id) or board.get_sync(one.id, user=user)
        if run.status not in GOING:
            ended[run.id] = run
        runs.append(run)
    return tuple(runs)


def draw_conversation(board: Board, user: str, runs: Sequence[Run]) -> None:
    """Draw the runs of a session, oldest first; those that go on are followed."""
    for run in runs:
        with st.chat_message("user", avatar=":material/person:"):
            st.markdown(prose(run.query))
        with st.chat_message("assistant", avatar=":material/theater_comedy:"):
            if run.status in GOING:
                _follow(board, user, run.id)
            else:
                _draw_answer(board, user, run)
    if trouble := st.session_state.pop("trouble", None):
        st.error(literal(trouble), icon=":material/error:")


@st.fragment(run_every=EVERY_S)
def _follow(board: Board, user: str, run_id: str) -> None:
    """Tail the event log of a run that the Board carries on; the page is drawn anew at its end."""
    progress: Progress = st.session_state.setdefault(f"progress-{run_id}", Progress())
    progress.follow(board.records.events_sync(run_id, after=progress.seq, user=user))
    if progress.done is not None:
        del st.session_state[f"progress-{run_id}"]
        st.rerun()
    draw_progress(progress)
    if st.button(
        "Stop",
        key=f"stop-{run_id}",
        icon=":material/stop_circle:",
        help="Ends the turn. What was paid for stays in the record.",
    ):
        board.cancel_sync(run_id, user=user)


def _draw_answer(board: Board, user: str, run: Run) -> None:
    if run.answer:
        st.markdown(prose(run.answer))
    if run.status == "cancelled":
        st.caption(":material/block: Stopped. What was paid for stays in the record.")
    elif run.error and run.error != run.answer:
        st.error(literal(run.error), icon=":material/error:")
    with st.expander(decision_line(run), key=f"why-{run.id}", on_change="rerun") as card:
        if card.open:
            draw_decision(run, usual=usual_costs(board, user))
            st.page_link(
                "screens/decisions.py",
                label="Open the whole run",
                icon=":material/open_in_new:",
                query_params={"run": run.id},
            )
    if run.decision and run.decision.agents:
        with st.container(horizontal=True, vertical_alignment="center"):
            _draw_feedback(board, user, run)
            _draw_again(board, user, run)


@st.cache_data(ttl=60, show_spinner=False)
def usual_costs(_board: Board, user: str | None) -> dict[str, Decimal | None]:
    """Return what a call of each agent costs on average; None: that of a call is unknown."""
    figures = _board.records.agents_sync(user=user)
    return {
        one.agent: None if one.cost_usd is None else one.cost_usd / one.calls
        for one in figures
        if one.calls
    }


def _draw_feedback(board: Board, user: str, run: Run) -> None:
    """Draw thumbs for the answer, and for each agent of several; the router learns from them."""
    agents = run.decision.agents if run.decision else ()
    given = board.list_feedback_sync(run.id, user=user)
    _draw_thumbs(board, user, run, agents, given, key=f"thumbs-{run.id}")
    with st.popover("Say more", type="tertiary", icon=":material/rate_review:"):
        if len(agents) > 1:
            for agent in agents:
                st.caption(f"Should {literal(agent)} answer this?")
                _draw_thumbs(board, user, run, (agent,), given, key=f"thumbs-{run.id}-{agent}")
        with st.form(f"comment-{run.id}", border=False):
            comment = st.text_area(
                "What was good or bad?", max_chars=4000, key=f"comment-text-{run.id}"
            )
            good = st.form_submit_button("Good", icon=":material/thumb_up:")
            bad = st.form_submit_button("Bad", icon=":material/thumb_down:")
        if good or bad:
            board.feedback_sync(run.id, 1.0 if good else -1.0, comment=comment, user=user)
            tell_next("Thank you. The router takes it into account.")
            st.rerun()
        for one in given:
            if one.comment and one.standing:
                st.caption(f"{'👍' if one.score > 0 else '👎'} {literal(one.comment)}")


def _draw_thumbs(
    board: Board,
    user: str,
    run: Run,
    agents: tuple[str, ...],
    given: Sequence[Feedback],
    *,
    key: str,
) -> None:
    def heard() -> None:
        thumb = st.session_state[key]
        if thumb is None:
            for one in given:
                if set(one.standing) & set(agents):
                    board.undo_feedback_sync(one.id, user=user)
        else:
            board.feedback_sync(run.id, THUMBS[thumb], agents=agents, user=user)

    said = {one.score for one in given if set(one.standing) >= set(agents)}
    default = int(said.pop() > 0) if len(said) == 1 else None
    st.feedback("thumbs", key=key, default=default, on_change=heard)


def _draw_again(board: Board, user: str, run: Run) -> None:
    with st.popover("Ask again", type="tertiary", icon=":material/replay:"):
        names = [one.agent.name for one in board.agents() if one.live]
        called = run.decision.agents if run.decision else ()
        pinned = st.multiselect(
            "Of these agents",
            names,
            default=[name for name in called if name in names],
            key=f"again-agents-{run.id}",
            placeholder="the router chooses",
        )
        memory = st.segmented_control(
            "Memory may cost", TIERS, default="auto", required=True, key=f"again-memory-{run.id}"
        )
        if st.button("Ask again", key=f"again-{run.id}", type="primary"):
            agents = tuple(pinned) or None
            session = run.scope.session or ""
            ask(board, user, session, run.query, agents=agents, memory=memory)
