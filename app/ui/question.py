"""Asking: the question with its files, and what the turn may use, call and cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NoReturn

import streamlit as st

from ...board import Board
from ...errors import CallboardError
from .notice import tell_next
from .prose import literal

FILES = ("txt", "md", "markdown", "pdf", "html", "htm")
TIERS: tuple[Literal["auto", "low", "mid", "high"], ...] = ("auto", "low", "mid", "high")


def asking(board: Board, user: str, session: str, *, going: bool) -> None:
    """Draw what a turn may use, and where to ask; a question begins a run."""
    with st.bottom:
        with st.container(horizontal=True):
            terms = _terms(board)
        said = st.chat_input(
            "Ask the board",
            key="question",
            accept_file="multiple",
            file_type=list(FILES),
            disabled=going,
            max_chars=board.settings.limits.query_chars,
        )
    if said is None:
        return
    _remember(board, user, session, said.files)
    if said.text.strip():
        ask(board, user, session, said.text, **terms)
    st.rerun()


def ask(board: Board, user: str, session: str, query: str, **terms: Any) -> NoReturn:
    """Begin a run, and draw the page anew with it; what is wrong with the query is said."""
    try:
        board.start_sync(query, user=user, session=session, **terms)
    except CallboardError as error:
        st.session_state["trouble"] = str(error)
    st.rerun()


def _terms(board: Board) -> dict[str, Any]:
    """Draw the choosers, and return what they say."""
    names = [one.agent.name for one in board.agents() if one.live]
    chosen = sum(bool(st.session_state.get(key)) for key in ("pinned", "excluded", "limit")) + (
        st.session_state.get("memory", "auto") != "auto"
    )
    label = "This turn" if not chosen else f"This turn ({chosen} set)"
    with st.popover(label, icon=":material/tune:"):
        memory = st.segmented_control(
            "Memory may cost",
            TIERS,
            default="auto",
            required=True,
            key="memory",
            help="auto: the policy of the settings decides, module by module.",
        )
        limit = st.number_input(
            "The turn may cost, in US dollars",
            min_value=0.0,
            value=None,
            step=0.01,
            format="%.4f",
            key="limit",
            placeholder="no limit but that of the settings",
        )
        pinned = st.multiselect(
            "Call these and no others", names, key="pinned", placeholder="the router chooses"
        )
        excluded = st.multiselect("Never call these", names, key="excluded", placeholder="nobody")
    terms: dict[str, Any] = {"memory": memory, "exclude": tuple(excluded)}
    if pinned:
        terms["agents"] = tuple(pinned)
    if limit is not None:
        terms["budget_usd"] = str(limit)
    return terms


def _remember(board: Board, user: str, session: str, files: Sequence[Any]) -> None:
    for file in files:
        try:
            with st.spinner(f"Reading {literal(file.name)}"):
                ids = board.memory.add_document_sync(
                    (file.name, file.getvalue()), user=user, session=session
                )
        except CallboardError as error:
            st.session_state["trouble"] = str(error)
        else:
            passages = "1 passage" if len(ids) == 1 else f"{len(ids)} passages"
            tell_next(f"Remembered {passages} of {file.name}")
