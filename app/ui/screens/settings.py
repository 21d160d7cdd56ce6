"""Settings: models with a live check, limits and versions; nothing is changed here."""

from __future__ import annotations

import streamlit as st

from callboard.app.ui.setup import draw_setup
from callboard.app.ui.visitor import require_board, visitor

board, who = require_board(), visitor()
st.title("Settings")
if not who.operator:
    st.info("Operators see the settings. Your name is missing in [ui] operators.")
    st.stop()
draw_setup(board)
