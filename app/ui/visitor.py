"""Who is in front of the app, and the one Board behind it.

With a login (Streamlit's, by OpenID Connect) a visitor is a user of the Board by the name that the
provider vouches for; without one there is this machine's user, who may do everything.
"""

from __future__ import annotations

import atexit
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from ...board import Board
from ...config import load_settings
from ...errors import CallboardError
from ..logs import log_to_stderr

LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """A user of the Board; an operator sees all users' runs, and may change agents."""

    user: str
    operator: bool

    @property
    def seen(self) -> str | None:
        """Whose runs the visitor may see; None: those of all users."""
        return None if self.operator else self.user


@st.cache_resource(show_spinner="Opening the board")
def the_board() -> Board:
    """Return the Board that all pages and visitors share; what runs goes on without them."""
    settings = load_settings()
    log_to_stderr(settings)
    board = Board(settings)
    atexit.register(board.close)
    return board


def warm_up() -> None:
    """Load what the first question would wait for, before anybody waits.

    Beside pages that are drawn the same imports take ten times as long: each of their thousands of
    looks at the disk then waits for the interpreter. What is wrong, the first page says.
    """
    with suppress(CallboardError):
        the_board().prepare_sync(learn=False)


def require_board() -> Board:
    """Return the Board, or say on the page why there is none, and stop."""
    try:
        return the_board()
    except CallboardError as error:
        st.error(str(error), icon=":material/error:")
        st.caption("`callboard doctor` looks at everything that is needed.")
        st.stop()


def visitor() -> Visitor:
    """Return who is there; `require_visitor` has seen to it that somebody is."""
    if not _login_is_configured():
        return Visitor(user=LOCAL, operator=True)
    name = str(st.user.get("email") or st.user.get("sub"))
    return Visitor(user=name, operator=name in require_board().settings.ui.operators)


def require_visitor() -> None:
    """Let nobody further who has to log in and has not."""
    if not _login_is_configured():
        return
    if not st.user.is_logged_in:
        st.title("Callboard")
        st.write("Log in to see your conversations.")
        st.button("Log in", on_click=st.login, type="primary")
        st.stop()
    with st.sidebar:
        st.button("Log out", on_click=st.logout, type="tertiary", icon=":material/logout:")


def _login_is_configured() -> bool:
    from streamlit.auth_util import get_secrets_auth_section

    return bool(get_secrets_auth_section())
