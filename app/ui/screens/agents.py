"""Agents: who is on the board and how they do; to register, change, try and remove them."""

from __future__ import annotations

import streamlit as st

from callboard.app.ui.agent_files import draw_files
from callboard.app.ui.agent_form import draw_form
from callboard.app.ui.agent_list import draw_agents
from callboard.app.ui.rehearsal import draw_routing
from callboard.app.ui.visitor import require_board, visitor

board, who = require_board(), visitor()
st.title("Agents")
names = ["All agents", "Try the routing"]
if who.operator:
    names[1:1] = ["Register"]
    names.append("Import and export")
tabs = dict(zip(names, st.tabs(names), strict=True))
with tabs["All agents"]:
    draw_agents(board, who)
with tabs["Try the routing"]:
    draw_routing(board, who)
if who.operator:
    with tabs["Register"]:
        draw_form(board, None)
    with tabs["Import and export"]:
        draw_files(board)
