"""Chat: ask the board, watch the agents work, and see who answered and why."""

from __future__ import annotations

from uuid import uuid4

import streamlit as st

from callboard.app.ui.conversation import draw_conversation, runs_of
from callboard.app.ui.prose import literal
from callboard.app.ui.question import ask, asking
from callboard.app.ui.sessions import draw_sessions
from callboard.app.ui.visitor import require_board, visitor
from callboard.store.claims import GOING

board, who = require_board(), visitor()
if "session" not in st.query_params:
    st.query_params["session"] = uuid4().hex[:12]
session = st.query_params["session"]
draw_sessions(board, who.user, session)

runs = runs_of(board, who.user, session)
if not runs:
    live = [one.agent for one in board.agents() if one.live]
    st.title("Who should answer?")
    if live:
        st.markdown("Ask anything. The board calls the agents that fit, and shows why.")
        examples = [example for agent in live for example in agent.examples[:1]][:4]
        for number, example in enumerate(examples):
            if st.button(literal(example, 90), key=f"example-{number}", icon=":material/chat:"):
                ask(board, who.user, session, example)
    else:
        st.info("There is no agent yet. Register one, and ask again.", icon=":material/group_add:")
        st.page_link("screens/agents.py", label="Register an agent", icon=":material/groups:")
draw_conversation(board, who.user, runs)
asking(board, who.user, session, going=any(run.status in GOING for run in runs))
