"""The script that Streamlit runs: who is there, and which pages there are."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from callboard.app.ui.notice import draw_notices
from callboard.app.ui.visitor import require_visitor

HERE = Path(__file__).parent
SCREENS = HERE / "screens"  # a folder called "pages" Streamlit would list by itself

st.set_page_config(page_title="Callboard", page_icon=str(HERE / "icon.svg"), layout="wide")
require_visitor()
draw_notices()
st.navigation(
    [
        st.Page(SCREENS / "chat.py", title="Chat", icon=":material/forum:", default=True),
        st.Page(SCREENS / "agents.py", title="Agents", icon=":material/groups:"),
        st.Page(SCREENS / "decisions.py", title="Decisions", icon=":material/alt_route:"),
        st.Page(SCREENS / "costs.py", title="Costs", icon=":material/payments:"),
        st.Page(SCREENS / "memory.py", title="Memory", icon=":material/neurology:"),
        st.Page(SCREENS / "settings.py", title="Settings", icon=":material/tune:"),
    ],
    expanded=True,
).run()
