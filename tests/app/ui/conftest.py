"""The app on a Board of a folder of its own, with a real endpoint that answers what tests say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openai_server import OpenAIServer, Reply
from streamlit.testing.v1 import AppTest

import callboard.app.ui
from callboard import Board
from callboard.app.ui.visitor import the_board

from .team import TEAM

MAIN = str(Path(callboard.app.ui.__file__).parent / "main.py")

SETTINGS = """

[models.main]
model = "openai/answers"
api_base = "{url}"
price = {{ input_per_million = 100, output_per_million = 100 }}
retries = 0

[refiner]

[router]
policy = "retrieval"
"""


@pytest.fixture
def endpoint() -> Iterator[OpenAIServer]:
    """Return the endpoint of the model `main`."""
    with OpenAIServer(Reply(text="An answer of the model.")) as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, endpoint: OpenAIServer) -> Path:
    """Return the settings file of the app's Board, in the current folder."""
    file = tmp_path / "callboard.toml"
    file.write_text(SETTINGS.format(url=endpoint.url), encoding="utf-8")
    return file


@pytest.fixture
def board(settings: Path) -> Iterator[Board]:
    """Return the Board that the app shares, until the test ends."""
    the_board.clear()
    board = the_board()
    board.register_all(TEAM)
    yield board
    board.close()
    the_board.clear()


@pytest.fixture
def open_page(board: Board) -> Callable[..., AppTest]:
    """Return a function that opens a page: `open_page("costs", run="...")`."""

    def open_page(name: str = "chat", **query: str) -> AppTest:
        page = AppTest.from_file(MAIN, default_timeout=60)
        for key, value in query.items():
            page.query_params[key] = value
        page.run()
        if name != "chat":
            page.switch_page(f"screens/{name}.py").run()
        assert not page.exception, page.exception
        return page

    return open_page


def words(page: AppTest) -> str:
    """Return all text of a page."""
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error", "success")
    return "\n".join(str(one.value) for kind in kinds for one in getattr(page, kind))
