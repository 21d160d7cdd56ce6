"""Short messages that are told on the page that is drawn next: a toast does not outlive a rerun."""

from __future__ import annotations

import streamlit as st

from .prose import literal

_KEY = "notices"


def tell_next(text: str) -> None:
    """Tell `text` when the page is drawn anew."""
    st.session_state.setdefault(_KEY, []).append(text)


def draw_notices() -> None:
    """Tell what is to be told; called once by every run of the script."""
    for text in st.session_state.pop(_KEY, ()):
        st.toast(literal(text), icon=":material/check:")
