"""The table of agents with their figures, and one agent with what can be done to it."""

from __future__ import annotations

import difflib

import streamlit as st
import yaml

from ...agents.registry import Registered
from ...board import Board
from ...model_settings import model_name
from ...store.agents import AgentRow
from ..views import sum_text, time_text
from .agent_form import draw_form
from .notice import attempt
from .prose import literal, prose
from .visitor import Visitor


def draw_agents(board: Board, who: Visitor) -> None:
    """Draw all agents; one that is selected is shown below with its versions."""
    agents = board.agents()
    if not agents:
        st.info("There is no agent yet. Register one, and the next question can go to it.")
        return
    figures = {one.agent: one for one in board.records.agents_sync(user=who.seen)}
    rows = []
    for one in agents:
        did = figures.get(one.agent.name)
        rows.append(
            {
                "Agent": one.agent.name,
                "State": one.state,
                "Kind": kind_of(one),
                "Version": one.version,
                "Calls": did.calls if did else 0,
                "Success": f"{1 - did.failed / did.calls:.0%}" if did and did.calls else "-",
                "Cost": sum_text(did.known_usd, known=not did.unknown) if did else "-",
                "p50": time_text(did.p50_s) if did else "-",
                "p95": time_text(did.p95_s) if did else "-",
                "Description": one.agent.description,
            }
        )
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        key="agents",
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "Version": st.column_config.NumberColumn(width="small"),
            "Calls": st.column_config.NumberColumn(width="small"),
            "Description": st.column_config.TextColumn(width="large"),
        },
        alt="All agents with their state and figures",
    )
    selected = st.session_state["agents"]["selection"]["rows"]
    if not selected or selected[0] >= len(agents):
        st.caption("Select a row to see an agent, its versions, and to change it.")
        return
    _draw_one(board, who, agents[selected[0]])


def kind_of(one: Registered) -> str:
    """Return how an agent answers, and by which model."""
    agent = one.agent
    if agent.kind == "function":
        return "function"
    model = agent.asked and model_name(agent.asked)
    if agent.kind == "documents":
        return f"documents, {model}" if model else "documents"
    return str(model)


def _draw_one(board: Board, who: Visitor, one: Registered) -> None:
    agent = one.agent
    st.subheader(literal(agent.name), anchor=False)
    st.markdown(prose(agent.description))
    if one.reason:
        st.warning(literal(one.reason), icon=":material/link_off:")
    if one.state == "bundled":
        st.caption("It is bundled with Callboard. Register one of the same name to replace it.")
    if not who.operator:
        return  # instructions and endpoints are the operators' business
    change, versions, specification = st.tabs(["Change", "Versions", "Specification"])
    with change:
        _draw_switches(board, one)
        draw_form(board, one)
    with versions:
        _draw_versions(board.records.versions_sync(agent.name))
    with specification:
        st.code(spec_text(agent.model_dump(mode="json", exclude_defaults=True)), language="yaml")


def _draw_switches(board: Board, one: Registered) -> None:
    agent = one.agent
    with st.container(horizontal=True, vertical_alignment="center"):
        label = "Disable" if agent.enabled else "Enable"
        if st.button(label, key=f"switch-{agent.name}", icon=":material/toggle_on:"):
            changed = agent.model_copy(update={"enabled": not agent.enabled})
            attempt(lambda: board.register(changed, replace=True), f"{label}d {agent.name}.")
        if one.state == "bundled":
            return
        with st.popover("Remove", icon=":material/delete:"):
            st.markdown(
                f"The next question no longer sees **{literal(agent.name)}**. Its runs and "
                "versions stay on record, and it may be registered again."
            )
            if st.button("Remove it", key=f"remove-{agent.name}", type="primary"):
                attempt(lambda: board.unregister(agent.name), f"Removed {agent.name}.")


def _draw_versions(versions: tuple[AgentRow, ...]) -> None:
    if not versions:
        st.caption("It was never registered, so it has no versions.")
        return
    for old, new in reversed(list(zip((None, *versions), versions, strict=False))):
        st.markdown(f"**Version {new.version}**, {new.updated_at.astimezone():%Y-%m-%d %H:%M}")
        if new.spec is None:
            st.caption("Removed.")
            continue
        before = spec_text(old.spec) if old is not None and old.spec is not None else ""
        changes = diff_text(before, spec_text(new.spec))
        st.code(changes or "(no change)", language="diff", wrap_lines=True)


def spec_text(spec: object) -> str:
    """Return a specification as YAML."""
    return yaml.safe_dump(spec, sort_keys=False, allow_unicode=True, width=100)


def diff_text(before: str, after: str) -> str:
    """Return what changed, line by line; all of `after` where there was nothing before."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))
