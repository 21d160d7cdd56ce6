"""What is remembered of a scope: one row per piece, and one piece with all that is known of it."""

from __future__ import annotations

import json
from functools import partial

import streamlit as st

from ...board import Board
from ...errors import CallboardError
from ...pipelines.board_memory import Whose
from ...values import EVERYONE, Remembered
from ..export import table_of
from ..views import remembered_json
from .notice import attempt
from .prose import literal
from .question import FILES
from .visitor import Visitor

PAGE = 50
EXPORTED = 10_000


def whose(board: Board, who: Visitor) -> Whose:
    """Draw whose memory is meant, and return it."""
    kinds = {"mine": "Mine", "agent": "Of one agent", "all": "Of everyone"}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control(
            "Whose",
            list(kinds),
            format_func=kinds.__getitem__,
            default="mine",
            required=True,
            key="whose",
            label_visibility="collapsed",
        )
        if kind == "agent":
            names = [one.agent.name for one in board.agents()]
            agent = st.selectbox("Agent", names, key="whose-agent", label_visibility="collapsed")
            return {"user": who.user, "agent": agent}
        user = who.user
        if kind == "mine" and who.operator:
            user = st.text_input("User", who.user, key="whose-user", width=200) or who.user
    return {"user": EVERYONE if kind == "all" else user}


def draw_remembered(board: Board, who: Visitor, scope: Whose) -> None:
    """Draw what is remembered of the scope, and what can be done with it."""
    may_change = scope["user"] != EVERYONE or who.operator
    text = st.text_input(
        "Search by meaning and words",
        placeholder="Search by meaning and words",
        label_visibility="collapsed",
        icon=":material/search:",
        key="memory-text",
    )
    found = _found(board, scope, text.strip())
    with st.container(horizontal=True):
        if may_change:
            with st.popover("Add", icon=":material/add:"):
                _draw_add(board, scope)
        for kind in ("json", "csv"):
            st.download_button(
                kind.upper(),
                data=partial(_exported, board, scope, kind),
                file_name=f"memory.{kind}",
                icon=":material/download:",
                type="tertiary",
                on_click="ignore",
                key=f"memory-{kind}",
            )
        if may_change and found and not text:
            with st.popover("Forget all", icon=":material/delete_forever:"):
                _draw_forget_all(board, scope)
    if not found:
        st.info(
            "Nothing that is remembered has to do with that."
            if text
            else "Nothing is remembered here yet. What is asked and answered in the chat will be."
        )
        return
    rows = [
        {
            "Text": one.text,
            "Said by": one.writer,
            "When": one.created_at.astimezone(),
            "Trust": one.trust,
            "Alike": one.similarity,
        }
        for one in found
    ]
    st.dataframe(
        rows,
        hide_index=True,
        key="pieces",
        on_select="rerun",
        selection_mode="single-row",
        column_order=["Text", "Said by", "When", "Trust", *(["Alike"] if text else [])],
        column_config={
            "Text": st.column_config.TextColumn(width="large"),
            "When": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "Trust": st.column_config.NumberColumn(format="%.2f", width="small"),
            "Alike": st.column_config.NumberColumn(format="%.2f", width="small"),
        },
        alt="What is remembered, the newest first",
    )
    selected = st.session_state["pieces"]["selection"]["rows"]
    if selected and selected[0] < len(found):
        _draw_one(board, scope, found[selected[0]], may_change)
    else:
        st.caption("Select a row to see where it came from, change it or forget it.")


def _found(board: Board, scope: Whose, text: str) -> tuple[Remembered, ...]:
    if text:
        return board.memory.search_sync(text, limit=PAGE, **scope)
    return board.memory.list_sync(limit=PAGE, **scope)


def _draw_one(board: Board, scope: Whose, one: Remembered, may_change: bool) -> None:
    with st.container(border=True):
        told = {
            "Run": f"`{one.run_id}`" + (f", step {one.step}" if one.step else ""),
            "Session": literal(one.session) if one.session else None,
            "For": literal(one.agent) if one.agent else None,
            "Holds from": one.valid_from and f"{one.valid_from.astimezone():%Y-%m-%d %H:%M}",
            "Until": one.expires_at and f"{one.expires_at.astimezone():%Y-%m-%d %H:%M}",
        }
        st.caption(" · ".join(f"{name}: {value}" for name, value in told.items() if value))
        if one.step is not None or not one.run_id.startswith(("note-", "edit-")):
            st.page_link(
                "screens/decisions.py",
                label="The run that it came from",
                icon=":material/alt_route:",
                query_params={"run": one.run_id},
            )
        if not may_change:
            st.code(one.text, language=None, wrap_lines=True)
            return
        text = st.text_area("What it says", one.text, key=f"piece-{one.id}")
        with st.container(horizontal=True):
            if st.button("Save", key=f"save-{one.id}", disabled=text == one.text):
                attempt(lambda: board.memory.update_sync(one.id, text, **_owner(scope)), "Changed.")
            if st.button("Forget", key=f"forget-{one.id}", icon=":material/delete:"):
                attempt(lambda: board.memory.delete_sync([one.id], **_owner(scope)), "Forgotten.")
        versions = board.memory.history_sync(one.id, **_owner(scope))
        for old in versions[:-1]:
            st.caption(f"{old.created_at.astimezone():%Y-%m-%d %H:%M}: {literal(old.text, 300)}")


def _owner(scope: Whose) -> Whose:
    """Return the scope without what narrows it: a piece is named by its id."""
    return {"user": scope["user"]}


def _draw_add(board: Board, scope: Whose) -> None:
    with st.form("add-memory", border=False, clear_on_submit=True):
        text = st.text_area("Text", key="add-text")
        files = st.file_uploader(
            "Files", type=list(FILES), accept_multiple_files=True, key="add-files"
        )
        if not st.form_submit_button("Remember", type="primary"):
            return
    try:
        if text.strip():
            board.memory.add_sync(text, **scope)
        for file in files:
            board.memory.add_document_sync((file.name, file.getvalue()), **scope)
    except CallboardError as error:
        st.error(literal(str(error)), icon=":material/error:")
    else:
        st.rerun()


def _draw_forget_all(board: Board, scope: Whose) -> None:
    sure = st.checkbox("Everything here, for good. I am sure.", key="forget-sure")
    if st.button("Forget all", key="forget-all", disabled=not sure, type="primary"):
        attempt(lambda: board.memory.delete_all_sync(**scope), "Forgotten.")


def _exported(board: Board, scope: Whose, kind: str) -> str:
    found: list[Remembered] = []
    while len(found) < EXPORTED and (
        page := board.memory.list_sync(limit=500, before=found[-1].id if found else None, **scope)
    ):
        found += page
    rows = [remembered_json(one) for one in found]
    if kind == "csv":
        return table_of(rows)
    return json.dumps({"memory": rows}, ensure_ascii=False, indent=2)
