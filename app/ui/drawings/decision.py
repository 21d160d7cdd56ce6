"""The decision card: who was looked at, how near each came, who was called and why."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import altair as alt
import streamlit as st

from ....values import Decision, Run
from ...views import money_text, retrieval_of, time_text
from ..prose import literal, prose

METHODS = {
    "retrieval": ("Retrieval was sure", "gray"),
    "reasoning": ("A model judged", "violet"),
    "fallback": ("Fell back", "orange"),
    "pinned": ("Pinned by the caller", "blue"),
}


def draw_decision(run: Run, *, usual: Mapping[str, Decimal | None] | None = None) -> None:
    """Draw why a run called whom; `usual` is what a call of each agent costs on average."""
    decision = run.decision
    if decision is None:
        st.info("This run ended before anything was decided.")
        return
    retrieval = retrieval_of(run)
    _draw_head(decision)
    st.markdown(prose(decision.reason))
    if decision.left_out:
        names = ", ".join(map(literal, decision.left_out))
        st.caption(f"Also belong here, and were kept out by the limit on the set: {names}")
    if len(decision.parts) > 1:
        _draw_parts(decision)
    if decision.candidates:
        _draw_candidates(decision, retrieval, usual or {})
    _draw_promises(decision, retrieval)


def _draw_head(decision: Decision) -> None:
    method, color = METHODS[decision.method]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(method, color=color)  # type: ignore[arg-type]
        if not decision.in_scope:
            st.badge("Out of scope", color="red")
        st.caption(
            f"confidence {decision.confidence:.2f} · {time_text(decision.latency_s)} · "
            f"{literal(money_text(decision.cost_usd))}"
        )


def _draw_parts(decision: Decision) -> None:
    rows = [
        {"Part of the query": part.text, "For": ", ".join(part.agents) or "nobody"}
        for part in decision.parts
    ]
    st.dataframe(rows, hide_index=True, alt="The parts of the query")


def _draw_candidates(
    decision: Decision, retrieval: Mapping[str, Any], usual: Mapping[str, Decimal | None]
) -> None:
    ranked = sorted(decision.candidates, key=lambda one: (not one.chosen, -one.score))
    found = {
        score["agent"]: score
        for part in reversed(retrieval.get("parts", ()))
        for score in part["scores"]
    }
    rows = [
        {
            "agent": one.agent,
            "score": one.score,
            "called": "called" if one.chosen else "left",
            "reason": one.reason,
            "nearest": found.get(one.agent, {}).get("nearest", ""),
            "lean": found.get(one.agent, {}).get("lean", ""),
            "usual": money_text(usual[one.agent]) if one.agent in usual else "never called",
        }
        for one in ranked
    ]
    st.altair_chart(
        candidates_chart(rows, retrieval.get("least")),
        alt="How probable each agent is: "
        + ", ".join(f"{row['agent']} {row['score']:.2f} ({row['called']})" for row in rows),
    )
    said = any(row["lean"] for row in rows)
    st.dataframe(
        rows,
        hide_index=True,
        column_order=[name for name in rows[0] if said or name != "lean"],
        column_config={
            "agent": "Agent",
            "score": st.column_config.NumberColumn("Score", format="%.2f", width="small"),
            "called": st.column_config.TextColumn("Called", width="small"),
            "reason": st.column_config.TextColumn("Why", width="large"),
            "nearest": st.column_config.TextColumn("Nearest text of the agent", width="medium"),
            "lean": "What users said",
            "usual": st.column_config.TextColumn(
                "A call costs", width="small", help="On average, over the calls that it had."
            ),
        },
        alt="The candidates and the reasons for each",
    )


def candidates_chart(rows: list[dict[str, Any]], least: float | None) -> Any:
    """Return bars of the candidates' scores, and the threshold from which one is called."""
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y(
            "agent:N",
            sort=None,
            title=None,
            axis=alt.Axis(labelLimit=220, labelOverlap=False, labelFlush=False),
        ),
        x=alt.X(
            "score:Q",
            scale=alt.Scale(domain=[0, 1]),
            title="probability of fitting",
            axis=alt.Axis(tickCount=5),
        ),
    )
    bars = base.mark_bar(height=14, cornerRadius=2).encode(
        color=alt.Color(
            "called:N",
            scale=alt.Scale(domain=["called", "left"], range=["#0f9488", "#9aa5a3"]),
            legend=alt.Legend(title=None, orient="top"),
        ),
        tooltip=["agent:N", alt.Tooltip("score:Q", format=".3f"), "called:N", "reason:N"],
    )
    layers: list[alt.Chart] = [bars]
    if least is not None:
        rule = alt.Chart(alt.InlineData(values=[{"least": least}])).mark_rule(
            strokeDash=[4, 3], color="#d97706", size=2
        )
        layers.append(rule.encode(x="least:Q", tooltip=[alt.Tooltip("least:Q", title="threshold")]))
    return alt.layer(*layers).properties(height=alt.Step(24))


def _draw_promises(decision: Decision, retrieval: Mapping[str, Any]) -> None:
    told = []
    if "least" in retrieval:
        told.append(f"An agent is called from a probability of {retrieval['least']:.2f} on.")
    if retrieval.get("coverage"):
        told.append(
            f"So chosen, the set holds the right agent for {retrieval['coverage']:.0%} of queries."
        )
    if decision.guard_score is not None and decision.guard_threshold is not None:
        told.append(
            f"In scope with {decision.guard_score:.2f}, where {decision.guard_threshold:.2f} "
            "is needed."
        )
    if decision.budget_usd is not None:
        told.append(f"The turn may cost {literal(money_text(decision.budget_usd))}.")
    if told:
        st.caption(" ".join(told))
