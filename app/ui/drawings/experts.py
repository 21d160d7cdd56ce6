"""Which experts read the query of a run, for what, and why."""

from __future__ import annotations

import streamlit as st

from ....values import Run
from ...views import expert_views


def draw_experts(run: Run) -> None:
    """Draw who read the query at each step; nothing where there was nobody to choose."""
    rows = [
        {
            "Read for": one.told,
            "By": one.expert or "base",
            "Why": one.reason,
            "Scores": ", ".join(f"{name} {score:.2f}" for name, score in one.scores.items()),
        }
        for one in expert_views(run)
    ]
    if rows:
        st.markdown("**Experts that read the query**")
        st.dataframe(
            rows,
            hide_index=True,
            column_config={"Why": st.column_config.TextColumn(width="large")},
            alt="The experts that read the query, and why each was chosen",
        )
