"""Decisions: find runs, and look into why each went as it did, what it cost, and what else."""

from __future__ import annotations

import streamlit as st

from callboard.app.ui.prose import literal
from callboard.app.ui.run_list import draw_list
from callboard.app.ui.run_page import draw_run_page
from callboard.app.ui.visitor import require_board, visitor
from callboard.errors import UnknownName

board, who = require_board(), visitor()
run_id = st.query_params.get("run")
if run_id is None:
    draw_list(board, who)
else:
    try:
        run = board.records.run_sync(run_id, user=who.seen)
    except UnknownName as error:
        st.error(literal(str(error)), icon=":material/error:")
        st.page_link("screens/decisions.py", label="All runs", icon=":material/arrow_back:")
        st.stop()
    draw_run_page(board, who, run)
