"""The list of runs: filters, a page of the table, and the export of all that was found."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import streamlit as st

from ...board import Board
from ...records import RunFilter, RunSummary
from ...store.claims import GOING
from ..export import csv_of, json_of
from ..views import sum_text, time_text
from .visitor import Visitor

PAGE = 50
EXPORTED = 10_000
METHODS = ("retrieval", "reasoning", "fallback", "pinned")
STATUSES = ("done", "failed", "cancelled", "running", "queued")
ANY = {"placeholder": "any", "index": None}
CHOICES = (
    "session",
    "user",
    "agent",
    "model",
    "method",
    "status",
    "dates",
    "least-usd",
    "most-usd",
    "least-s",
    "most-s",
)


def draw_list(board: Board, who: Visitor) -> None:
    """Draw the runs that the filters mean, newest first."""
    st.title("Decisions")
    chosen, user = _filters(board, who)
    total_place = st.container()
    pages = st.session_state.get("list-pages", 1)
    page = min(st.session_state.get("list-page", 1), pages)
    found = board.records.runs_sync(chosen, limit=PAGE, offset=(page - 1) * PAGE, user=user)
    st.session_state["list-pages"] = pages = max(1, -(-found.total // PAGE))
    with total_place, st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{found.total:,}** {'run' if found.total == 1 else 'runs'}")
        if found.total:
            _exports(board, chosen, user)
    if not found.runs:
        if chosen == RunFilter():
            st.info("Nothing was asked yet. Ask something in the chat, then look here why.")
            st.page_link("screens/chat.py", label="To the chat", icon=":material/forum:")
        else:
            st.info("No run is like that. Take a filter away.")
        return
    _table(found.runs)
    if pages > 1:
        st.pagination(pages, key="list-page")


def _filters(board: Board, who: Visitor) -> tuple[RunFilter, str | None]:
    """Draw the filters; return what they mean, and whose runs."""
    set_ = sum(st.session_state.get(f"filter-{name}") not in (None, (), "") for name in CHOICES)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Text in the question or answer",
            placeholder="Text in the question or answer",
            label_visibility="collapsed",
            icon=":material/search:",
            key="filter-text",
            on_change=_first_page,
        )
        popover = st.popover(
            f"Filters ({set_})" if set_ else "Filters", icon=":material/filter_list:", width=130
        )
    with popover:
        values = _choosers(board, who)
    user = values.pop("user")
    dates = values.pop("dates") or ()
    least, most = values.pop("least_usd"), values.pop("most_usd")
    return (
        RunFilter(
            text=text.strip(),
            since=_begin(dates[0]) if dates else None,
            until=_begin(dates[-1]) + timedelta(days=1) if dates else None,
            least_usd=None if least is None else Decimal(str(least)),
            most_usd=None if most is None else Decimal(str(most)),
            **values,
        ),
        (user or None) if who.operator else who.user,
    )


def _choosers(board: Board, who: Visitor) -> dict[str, Any]:
    names = [one.agent.name for one in board.agents()]
    models = list(board.settings.models)
    choose = partial(st.selectbox, on_change=_first_page, **ANY)
    number = partial(
        st.number_input, value=None, min_value=0.0, placeholder="any", on_change=_first_page
    )
    left, right = st.columns(2)
    with left:
        values: dict[str, Any] = {
            "agent": choose("Agent", names, key="filter-agent", accept_new_options=True),
            "model": choose("Model", models, key="filter-model", accept_new_options=True),
            "method": choose("How it was routed", METHODS, key="filter-method"),
            "status": choose("Status", STATUSES, key="filter-status"),
            "least_s": number("Took from, seconds", key="filter-least-s"),
            "most_s": number("to", key="filter-most-s"),
        }
    with right:
        write = partial(st.text_input, value=None, placeholder="any", on_change=_first_page)
        values["user"] = write("User", key="filter-user") if who.operator else None
        values["session"] = write("Session", key="filter-session") or None
        values["least_usd"] = number("Cost from, US dollars", format="%.5f", key="filter-least-usd")
        values["most_usd"] = number("to", format="%.5f", key="filter-most-usd")
    values["dates"] = st.date_input("Asked on", value=[], key="filter-dates", on_change=_first_page)
    st.button("Clear all", on_click=_clear, icon=":material/filter_list_off:", type="tertiary")
    return values


def _table(runs: tuple[RunSummary, ...]) -> None:
    rows = [
        {
            "": f"/decisions?run={run.id}",
            "Asked": run.created_at.astimezone(),
            "Question": run.query,
            "Agents": list(run.agents),
            "Status": run.status,
            "Cost": cost_of(run),
            "Time": time_text(run.latency_s),
            "Routed by": run.method,
            "User": run.scope.user,
        }
        for run in runs
    ]
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        column_config={
            "": st.column_config.LinkColumn(
                display_text=":material/open_in_new:", width=40, help="Open the run"
            ),
            "Asked": st.column_config.DatetimeColumn(format="MM-DD HH:mm", width=95),
            "Question": st.column_config.TextColumn(width=330),
            "Agents": st.column_config.ListColumn(width=160),
        },
        key="runs",
        on_select=partial(_open, tuple(run.id for run in runs)),
        selection_mode="single-row",
        alt="Runs, newest first",
    )
    st.caption("Select a row to open its run.")


def _open(ids: tuple[str, ...]) -> None:
    rows = st.session_state["runs"]["selection"]["rows"]
    if rows:
        st.query_params["run"] = ids[rows[0]]


def _exports(board: Board, chosen: RunFilter, user: str | None) -> None:
    def exported(kind: str) -> str:
        found = board.records.runs_sync(chosen, limit=EXPORTED, user=user)
        return csv_of(found.runs) if kind == "csv" else json_of(found.runs)

    for kind in ("csv", "json"):
        st.download_button(
            kind.upper(),
            data=partial(exported, kind),
            file_name=f"runs.{kind}",
            key=f"export-{kind}",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            help=f"The first {EXPORTED:,} that the filters mean.",
        )


def cost_of(run: RunSummary) -> str:
    """Return what a run cost; what is known and what is not are kept apart."""
    if run.status in GOING:
        return "-"
    return sum_text(run.known_cost_usd, known=run.cost_usd is not None)


def _begin(day: date) -> datetime:
    """Return the first instant of a day of this server."""
    return datetime.combine(day, time()).astimezone(UTC)


def _first_page() -> None:
    st.session_state.pop("list-page", None)


def _clear() -> None:
    for name in (*CHOICES, "text"):
        st.session_state.pop(f"filter-{name}", None)
    _first_page()
