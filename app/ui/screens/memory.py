"""Memory: what is remembered, where it came from; to search, add, change, forget and export."""

from __future__ import annotations

import streamlit as st

from callboard.app.ui.remembered import draw_remembered, whose
from callboard.app.ui.visitor import require_board, visitor

board, who = require_board(), visitor()
st.title("Memory")
if not board.settings.memory.enabled:
    st.info("Memory is off. Set enabled = true in [memory] of callboard.toml, and start again.")
    st.stop()
draw_remembered(board, who, whose(board, who))
