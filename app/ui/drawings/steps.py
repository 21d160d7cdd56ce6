"""What a run did: a waterfall of its steps, and the tree with time, tokens and cost rolled up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import altair as alt
import streamlit as st

from ....values import Run
from ...views import Node, cost_text, step_tree, time_text, tokens_text

SPACE = "\u2003"
"""What a step is set in by for each step above it."""


def draw_waterfall(run: Run) -> None:
    """Draw when each step began and ended."""
    rows = waterfall_rows(run)
    if not rows:
        st.info("No step was recorded.")
        return
    st.altair_chart(
        waterfall_chart(rows),
        alt="When each step began and ended: "
        + ", ".join(f"{row['label'][3:].strip()} {row['took']}" for row in rows),
    )


def waterfall_rows(run: Run) -> list[dict[str, Any]]:
    """Return one row per step, in milliseconds after the first began."""
    steps = list(_walk(step_tree(run)))
    if not steps:
        return []
    first = min(node.step.started_at for _, node in steps)
    rows = []
    for number, (depth, node) in enumerate(steps):
        step = node.step
        start = (step.started_at - first).total_seconds() * 1000
        rows.append(
            {
                "label": f"{number:02} {SPACE * depth}{step_name(node)}",
                "start": start,
                "end": start + (step.latency_s or 0.0) * 1000,
                "status": step.status,
                "kind": "model call" if step.model else "step",
                "took": time_text(step.latency_s),
                "cost": cost_text(tuple(node.usages())),
            }
        )
    return rows


def waterfall_chart(rows: list[dict[str, Any]]) -> Any:
    """Return the bars, with how long each took at its end."""
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y(
            "label:N",
            sort=None,
            title=None,
            axis=alt.Axis(
                labelLimit=260,
                labelOverlap=False,
                labelFlush=False,
                labelExpr="slice(datum.label, 3)",
                labelAlign="right",
            ),
        )
    )
    bars = base.mark_bar(height=12, cornerRadius=2, minBandSize=2).encode(
        x=alt.X("start:Q", title="milliseconds", axis=alt.Axis(tickCount=6)),
        x2="end:Q",
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=["step", "model call"], range=["#0f9488", "#7c3aed"]),
            legend=alt.Legend(title=None, orient="top"),
        ),
        opacity=alt.condition("datum.status == 'failed'", alt.value(0.45), alt.value(1.0)),
        tooltip=["label:N", "took:N", "cost:N", "status:N"],
    )
    names = base.mark_text(align="left", dx=4, fontSize=11, color="#7d8a87").encode(
        x="end:Q", text="took:N"
    )
    return alt.layer(bars, names).properties(height=alt.Step(20))


def draw_tree(run: Run) -> None:
    """Draw the steps as a tree; what a step used holds what those below it used."""
    rows = [
        {
            "Step": f"{SPACE * depth}{step_name(node)}",
            "Status": node.step.status,
            "Time": time_text(node.step.latency_s),
            "Tokens in > out": tokens_text(tuple(node.usages())),
            "Cost": cost_text(tuple(node.usages())),
            "Model": node.step.model or "",
            "Attempt": node.step.attempt,
            "Error": node.step.error or "",
        }
        for depth, node in _walk(step_tree(run))
    ]
    dull = {"Error": "", "Attempt": 1, "Model": ""}
    names = rows[0] if rows else ()
    telling = [name for name in names if any(row[name] != dull.get(name) for row in rows)]
    st.dataframe(
        rows,
        column_order=telling,
        hide_index=True,
        height="content",
        column_config={"Step": st.column_config.TextColumn(width="medium")},
        alt="The steps with their time, tokens and cost",
    )


def step_name(node: Node) -> str:
    """Return what a step is called: its name, and whose it is where that matters."""
    step = node.step
    if step.name == "call":
        return f"ask {step.model}"
    own = step.name in ("act", "recall") and step.agent
    return f"{step.name} {step.agent}" if own else step.name


def _walk(nodes: tuple[Node, ...], depth: int = 0) -> Iterator[tuple[int, Node]]:
    for node in nodes:
        yield depth, node
        yield from _walk(node.children, depth + 1)
