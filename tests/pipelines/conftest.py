from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pipeline_boards import ABLE, with_agents

from callboard import Board, ScriptedModel, Settings


@pytest.fixture
def make_board(tmp_path: Path) -> Iterator[Callable[..., Board]]:
    """Return a function that makes Boards on one database; they are closed after the test."""
    boards: list[Board] = []

    def make(
        model: ScriptedModel | None = None, *, recover: bool = False, **settings: Any
    ) -> Board:
        board = Board(
            Settings(
                database_url=f"sqlite:///{tmp_path / 'board.db'}",
                **{"models": {"main": ABLE}, "refiner": {"model": None}, **settings},
            ),
            models={"main": model or ScriptedModel(lambda request: "From the model.")},
            recover=recover,
        )
        boards.append(board)
        return board

    yield make
    for board in boards:
        board.close()


@pytest.fixture
def board(make_board: Callable[..., Board]) -> Board:
    """Return a Board with two agents that are functions."""
    return with_agents(make_board())
