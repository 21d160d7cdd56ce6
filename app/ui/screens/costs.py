"""Costs: what was spent, on what and for whom; what is known and what is not; how turns went."""

from __future__ import annotations

import streamlit as st

from callboard.app.ui.drawings.health import draw_health
from callboard.app.ui.drawings.spend import draw_spend
from callboard.app.ui.month import draw_month
from callboard.app.ui.period import choose_period
from callboard.app.ui.visitor import require_board, visitor

board, who = require_board(), visitor()
st.title("Costs")
period = choose_period()
spend = board.records.spend_sync(since=period, user=who.seen)
turns = board.records.turns_sync(since=period, user=who.seen)
if not turns.turns and not spend:
    st.info("Nothing was asked in this time, so nothing was spent.")
    st.page_link("screens/chat.py", label="To the chat", icon=":material/forum:")
    st.stop()
draw_month(board, who)
draw_health(turns, spend)
draw_spend(spend)
