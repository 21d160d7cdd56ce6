"""The sidebar of the chat: the visitor's conversations, to find, name, keep and delete."""

from __future__ import annotations

import json
from functools import partial
from uuid import uuid4

import streamlit as st

from ...board import Board
from ...records import Session
from ..views import run_json
from .notice import attempt
from .prose import literal

SHOWN = 30


def draw_sessions(board: Board, user: str, current: str) -> None:
    """Draw the conversations; a click opens one, by its address."""
    with st.sidebar:
        st.button(
            "New chat",
            icon=":material/edit_square:",
            on_click=partial(_open, uuid4().hex[:12]),
            width="stretch",
            key="new-chat",
        )
        text = st.text_input(
            "Search conversations",
            placeholder="Search conversations",
            label_visibility="collapsed",
            icon=":material/search:",
            key="search-sessions",
        )
        found = board.sessions.list_sync(text=text, limit=SHOWN, user=user)
        if not found:
            st.caption("Nothing found." if text else "Your conversations will stand here.")
        for one in found:
            _draw_session(board, user, one, open_now=one.id == current)


def _draw_session(board: Board, user: str, session: Session, *, open_now: bool) -> None:
    row = st.container(horizontal=True, gap=None, wrap=False, vertical_alignment="center")
    with row:
        st.button(
            literal(session.title, 34) or "(no words)",
            key=f"session-{session.id}",
            on_click=partial(_open, session.id),
            type="secondary" if open_now else "tertiary",
            width="stretch" if open_now else "content",
            help=literal(session.title, 300),
        )
        if open_now:
            with st.popover("", icon=":material/more_vert:", type="tertiary"):
                _draw_menu(board, user, session)


def _draw_menu(board: Board, user: str, session: Session) -> None:
    title = st.text_input("Name", session.title, key=f"title-{session.id}", max_chars=120)
    if title != session.title:
        board.sessions.rename_sync(session.id, title, user=user)
        st.rerun()
    for kind, label in (("md", "Export as Markdown"), ("json", "Export as JSON")):
        st.download_button(
            label,
            data=partial(_exported, board, user, session, kind),
            file_name=f"conversation-{session.id}.{kind}",
            key=f"export-{kind}-{session.id}",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )
    st.caption("Deleting forgets all words of it. What it cost stays in the accounts.")
    sure = st.checkbox("I am sure", key=f"sure-{session.id}")
    if st.button("Delete", key=f"delete-{session.id}", icon=":material/delete:", disabled=not sure):
        _open(uuid4().hex[:12])
        attempt(lambda: board.sessions.delete_sync(session.id, user=user), "Deleted.")


def _open(session: str) -> None:
    st.query_params["session"] = session


def _exported(board: Board, user: str, session: Session, kind: str) -> str:
    runs = [
        board.get_sync(one.id, user=user)
        for one in reversed(board.list_sync(user=user, session=session.id, limit=1000))
    ]
    if kind == "json":
        whole = {"session": session.id, "title": session.title, "runs": [run_json(r) for r in runs]}
        return json.dumps(whole, ensure_ascii=False, indent=2)
    parts = [f"# {session.title}"]
    for run in runs:
        agents = ", ".join(run.decision.agents) if run.decision else ""
        parts += [f"## {run.query}", run.answer or run.error or f"({run.status})", f"*{agents}*"]
    return "\n\n".join(parts) + "\n"
