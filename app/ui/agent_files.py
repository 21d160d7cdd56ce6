"""Agents as YAML: all registered ones to a file, and those of a file onto the board."""

from __future__ import annotations

import streamlit as st

from ...agents.catalogue import agents_yaml, parse_agents
from ...board import Board
from ...errors import CallboardError
from .notice import tell_next
from .prose import literal


def draw_files(board: Board) -> None:
    """Draw the export, and the import with what it would change."""
    agents = [one.agent for one in board.agents() if one.state != "bundled"]
    st.download_button(
        "Export as YAML",
        data=agents_yaml(agents),
        file_name="agents.yaml",
        mime="application/yaml",
        icon=":material/download:",
        disabled=not agents,
        on_click="ignore",
    )
    if not agents:
        st.caption("No agent is registered yet; bundled ones are not exported.")
    file = st.file_uploader("Import a file of agents", type=["yaml", "yml", "toml", "json"])
    if file is None:
        return
    try:
        found = parse_agents(file.name, file.getvalue())
    except CallboardError as error:
        st.error(literal(str(error)), icon=":material/error:")
        return
    if not board.settings.ui.allow_functions:
        code = [one.name for one in found if one.function or one.tools]
        if code:
            st.error(
                f"{', '.join(code)}: functions and tools run code of this server. "
                "Set allow_functions = true in [ui] of callboard.toml to allow it here, or add "
                "the file with 'callboard agents add'.",
                icon=":material/error:",
            )
            return
    there = {one.name: one for one in agents}
    rows = [
        {
            "Agent": one.name,
            "Change": "new"
            if one.name not in there
            else ("none" if there[one.name] == one else "replaces the one that is there"),
            "Description": one.description,
        }
        for one in found
    ]
    st.dataframe(rows, hide_index=True, alt="What the import would change")
    if st.button(f"Import {len(found)}", type="primary", icon=":material/upload:"):
        try:
            board.register_all(found, replace=True)
        except CallboardError as error:
            st.error(literal(str(error)), icon=":material/error:")
        else:
            tell_next(f"Imported {len(found)} agents.")
            st.rerun()
