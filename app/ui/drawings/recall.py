"""The memory card: the tier of each module and why, what was recalled, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from ....values import Remembered, Run
from ...views import cost_text, memo_of, module_views, time_text, tokens_text
from ..prose import literal


def draw_memory(run: Run, pieces: Mapping[str, Remembered]) -> None:
    """Draw what a run recalled; `pieces` are the pieces of memory by id that still exist."""
    modules = module_views(run)
    if not modules:
        st.info("Nothing that was remembered had to do with this query, so no module ran.")
        return
    rows = [
        {
            "Module": one.module,
            "Tier": one.tier if one.tier == one.asked else f"{one.asked}, done at {one.tier}",
            "Why": one.reason,
            "Time": time_text(one.latency_s),
            "Tokens in > out": tokens_text(one.usages),
            "Cost": cost_text(one.usages),
        }
        for one in modules
    ]
    st.dataframe(
        rows,
        hide_index=True,
        column_config={"Why": st.column_config.TextColumn(width="large")},
        alt="The memory modules with their tiers",
    )
    memo = memo_of(run)
    st.markdown(f"**The memo**, {memo.get('tokens', 0)} tokens")
    st.code(memo.get("text") or "(empty)", language=None, wrap_lines=True)
    for number, id_ in enumerate(memo.get("chunk_ids", ()), 1):
        piece = pieces.get(id_)
        if piece is None:
            st.caption(f"\\[{number}\\] `{id_}` was forgotten since.")
        else:
            when = f"{piece.created_at.astimezone():%Y-%m-%d %H:%M}"
            st.caption(
                f"\\[{number}\\] {literal(piece.writer)}, {when}, trust {piece.trust:.2f}: "
                f"{literal(piece.text, 160)}"
            )
