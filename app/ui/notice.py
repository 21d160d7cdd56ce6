"""What a page tells of a change: what is wrong with it at once, that it is done on the next page.

A toast does not outlive a rerun, and after a change everything is drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ...errors import CallboardError
from .prose import literal

_KEY = "notices"


def tell_next(text: str) -> None:
    """Tell `text` when the page is drawn anew."""
    st.session_state.setdefault(_KEY, []).append(text)


def attempt(change: Callable[[], object], told: str) -> None:
    """Make a change, then draw the page anew and tell of it; or say what is wrong."""
    try:
        change()
    except CallboardError as error:
        st.error(literal(str(error)), icon=":material/error:")
    else:
        tell_next(told)
        st.rerun()


def draw_notices() -> None:
    """Tell what is to be told; called once by every run of the script."""
    for text in st.session_state.pop(_KEY, ()):
        st.toast(literal(text), icon=":material/check:")
