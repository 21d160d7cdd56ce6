"""What was spent: by day, and on which agents, models, users and steps."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import altair as alt
import streamlit as st

from ....records import Spend
from ...export import spend_csv
from ...views import sum_text

WAYS = {"Agent": "agent", "Model": "model", "Step": "step", "User": "user"}
NOBODY = "(routing, memory, refining)"


def draw_spend(spend: Sequence[Spend]) -> None:
    """Draw the spend by day and by what it was for, with a table and its export."""
    if not spend:
        st.info("No model was asked in this time, so nothing was spent.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        way = st.segmented_control(
            "Spend by",
            list(WAYS),
            default="Agent",
            required=True,
            key="spend-way",
            label_visibility="collapsed",
        )
        st.download_button(
            "CSV",
            data=lambda: spend_csv(spend),
            file_name="spend.csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )
    rows = grouped(spend, WAYS[way])
    if any(row["usd"] for row in rows):
        st.altair_chart(
            spend_chart(rows, way), alt=f"What was spent by day and {way.lower()}, in US dollars"
        )
    else:
        st.caption(r"What is known of the cost is \$0, so there is nothing to draw.")
    st.dataframe(
        totals(spend, WAYS[way], way),
        hide_index=True,
        column_config={
            "Unknown cost": st.column_config.NumberColumn(help="Calls whose cost is not known.")
        },
        alt=f"What was spent by {way.lower()}",
    )


def grouped(spend: Sequence[Spend], name: str) -> list[dict[str, Any]]:
    """Return what is known of the spend by day and by the field `name`."""
    sums: dict[tuple[str, str], Decimal] = {}
    for one in spend:
        key = (one.day.isoformat(), group_of(one, name))
        sums[key] = sums.get(key, Decimal(0)) + one.known_usd
    return [{"day": day, "of": of, "usd": float(usd)} for (day, of), usd in sums.items()]


def group_of(spend: Spend, name: str) -> str:
    """Return what a row counts for, in words."""
    value: str | None = getattr(spend, name)
    return value or (NOBODY if name == "agent" else "(before it was recorded)")


def totals(spend: Sequence[Spend], name: str, title: str) -> list[dict[str, Any]]:
    """Return one row per group, the dearest first; known and unknown cost apart."""
    groups: dict[str, list[Spend]] = {}
    for one in spend:
        groups.setdefault(group_of(one, name), []).append(one)
    rows = []
    for of, some in groups.items():
        known = sum((one.known_usd for one in some), Decimal(0))
        unknown = sum(one.unknown for one in some)
        rows.append(
            (
                known,
                {
                    title: of,
                    "Cost": sum_text(known, known=not unknown),
                    "Unknown cost": unknown,
                    "Calls": sum(one.calls for one in some),
                    "Tokens read": sum(one.input_tokens for one in some),
                    "Tokens written": sum(one.output_tokens for one in some),
                },
            )
        )
    return [row for _, row in sorted(rows, key=lambda pair: -pair[0])]


def spend_chart(rows: list[dict[str, Any]], title: str) -> Any:
    """Return stacked bars, one per day."""
    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("yearmonthdate(day):O", title=None, axis=alt.Axis(format="%b %d")),
            y=alt.Y("sum(usd):Q", title="US dollars"),
            color=alt.Color("of:N", title=title),
            tooltip=["of:N", "day:T", alt.Tooltip("usd:Q", format=".6f")],
        )
        .properties(height=260)
    )
