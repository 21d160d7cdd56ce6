"""The refine view: what each agent answered beside the final answer, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ....values import Run
from ...views import answers_of, refined_of
from ..prose import literal, prose

MADE = {
    "merged": "A model made one text of the answers; what it lost was put back.",
    "side_by_side": "The answers stand side by side.",
    "single": "One answer stood for all.",
}


def draw_answers(run: Run) -> None:
    """Draw the answers of the agents and the final one; conflicts and omissions are marked."""
    answers, refined = answers_of(run), refined_of(run)
    failed = [step for step in run.steps if step.name == "act" and step.status != "done"]
    if refined:
        st.caption(f"{MADE[refined['method']]} {prose(refined['reason'])}")
        for conflict in refined["conflicts"]:
            _draw_conflict(conflict)
    columns = st.columns(max(1, len(answers) + len(failed)) + bool(refined), border=True)
    for column, (agent, answer) in zip(columns, answers.items(), strict=False):
        with column:
            st.markdown(f"**{literal(agent)}**")
            if not answer["answered"]:
                st.badge("had no answer", color="gray")
            st.markdown(prose(answer["text"]))
            for citation in answer["citations"]:
                st.caption(f"{literal(citation['source'])}: “{literal(citation['quote'], 200)}”")
            _draw_withheld(agent, refined)
    for column, step in zip(columns[len(answers) :], failed, strict=False):
        with column:
            st.markdown(f"**{literal(step.agent or '')}**")
            st.badge(step.status, color="red")
            st.markdown(prose(step.error or ""))
    if refined:
        with columns[-1]:
            st.markdown("**The answer**")
            st.markdown(prose(run.answer or ""))
            for one in refined["appended"]:
                what = "The whole answer" if one["whole"] else "Something"
                st.badge(f"{what} of {literal(one['agent'])} was put back", color="orange")


def _draw_conflict(conflict: Mapping[str, Any]) -> None:
    sides = " — ".join(
        f"{literal(agent)}: “{literal(quote, 200)}”"
        for agent, quote in zip(conflict["agents"], conflict["quotes"], strict=True)
    )
    st.warning(f"The agents disagree. {sides}", icon=":material/compare_arrows:")


def _draw_withheld(agent: str, refined: Mapping[str, Any]) -> None:
    for one in refined.get("withheld", ()):
        if one["agent"] == agent:
            st.badge("withheld: it speaks to the assistant", color="red")
            st.code(one["text"], language=None, wrap_lines=True)
