"""Forgetting a user through a Board: everywhere they left words, and nothing of anybody else."""

from __future__ import annotations

import gc
import inspect
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import _lru_cache_wrapper
from pathlib import Path
from typing import Any

import pytest
from pipeline_boards import ABLE
from sqlalchemy import select

from callboard import EVERYONE, Agent, Board, InvalidInput, ScriptedModel, Settings, UnknownName
from callboard.models.chat import ChatReply, ChatRequest
from callboard.store.database import Database
from callboard.store.tables import metadata
from callboard.store.users import DELETED

CANARY = "zwitscher" + "ling"
ANN, BOB = "ann", "bob"


class Forgetful(ScriptedModel):
    """A script that does not keep what it was asked."""

    async def complete(self, request: ChatRequest) -> ChatReply:
        reply = await super().complete(request)
        self.requests.clear()
        return reply


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database; the test is run on one of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'board.db'}"
    return str(request.getfixturevalue("postgres").new_database())


@pytest.fixture
def new_board(url: str) -> Iterator[Callable[..., Board]]:
    """Return a function that makes Boards on the database; they are closed after the test."""
    boards: list[Board] = []

    def new(answer: Callable[[Any], str] = lambda request: "From the model.") -> Board:
        cached = ABLE.model_copy(update={"cache_s": 3600.0})
        settings = Settings(database_url=url, models={"main": cached}, refiner={"model": None})
        board = Board(settings, models={"main": Forgetful(answer)}, recover=False)
        boards.append(board)
        return board

    yield new
    for board in boards:
        board.close()


@pytest.fixture
def board(new_board: Callable[..., Board]) -> Board:
    return new_board()


def contents(url: str) -> dict[str, list[dict[str, Any]]]:
    database = Database(url)
    try:
        with database.reading() as connection:
            return {
                table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
                for table in metadata.sorted_tables
            }
    finally:
        database.close()


def leave_words(board: Board, user: str, word: str) -> str:
    """Leave a word of the user wherever one can; return the id of a run."""

    @board.agent(description=f"Knows the birds of {user}.", name=f"birds-{user}", idempotent=True)
    def birds(query: str) -> str:
        return board.run_sync(f"And {word} again?", agents=["talker"]).answer or ""

    board.register(
        Agent(
            name="talker", description="Talks about everything.", instructions="Talk.", model="main"
        ),
        replace=True,
    )
    session = f"{word} and others"
    run = board.run_sync(f"What is a {word}?", agents=["talker"], user=user, session=session)
    board.run_sync(f"Where does a {word} live?", agents=[f"birds-{user}"], user=user)
    board.feedback_sync(run.id, 1, comment=f"I like the {word}.", user=user)
    board.sessions.rename_sync(session, f"All of {word}", user=user)
    board.memory.add_sync(f"My {word} is called Tim.", user=user)
    board.memory.search_sync(f"How is my {word} called?", user=user)
    board.route_sync(f"Is a {word} a bird?", user=user)  # hears the feedback, and embeds its query
    return run.id


def remembered(board: Board) -> list[str]:
    """Return what the caches of a Board and of our functions are made of."""
    house = board._house
    assert house._encoder is not None
    assert house._routers is not None
    assert house._recall is not None
    kept = [
        *(answers._kept for answers in house.gateway._answers.values()),
        house._routers.of("local")._reasoning._judgements._answers,
        house._routers.of("local")._retrieval._votes._counted,
        house._encoder._known,
        house._encoder._read,
        house._recall._library._librarians,
        house.store._database._engine._compiled_cache,
    ]
    functions = (
        value
        for name, module in list(sys.modules.items())
        if name.startswith("callboard.")
        for value in vars(module).values()
        if isinstance(value, _lru_cache_wrapper) and inspect.signature(value).parameters
    )
    return [
        *(repr(key) for one in kept for key in one),
        *(repr(gc.get_referents(one)) for one in functions if one.cache_info().currsize),
    ]


def test_of_a_forgotten_user_no_word_is_left_and_of_others_everything(
    board: Board, url: str, tmp_path: Path
) -> None:
    run_id = leave_words(board, ANN, CANARY)
    leave_words(board, BOB, "sparrow")
    before = contents(url)
    words = {name for name, rows in before.items() if CANARY in repr(rows)}
    assert words >= {
        *("runs", "steps", "events", "feedback", "chunks"),
        *("session_titles", "summaries", "ledger", "spending"),
    }
    assert any(CANARY in one for one in remembered(board))
    told = board.users.forget_sync(ANN)
    assert (told.tenant, told.user) == ("local", ANN)
    assert told.deleted["runs"] == 3  # one of them was begun by an agent, for another user
    assert told.deleted["feedback"] == 1
    assert told.anonymised["ledger"] >= 1
    after = contents(url)
    assert [name for name, rows in after.items() if CANARY in repr(rows)] == []
    assert [name for name, rows in after.items() if any(ANN in row.values() for row in rows)] == []
    for name in before:
        mine = [row for row in before[name] if row["user_id"] == BOB]
        assert [row for row in after[name] if row["user_id"] == BOB] == mine, name
    assert not any(CANARY in one for one in remembered(board))
    files = list(tmp_path.glob("board.db*"))
    assert bool(files) == url.startswith("sqlite")
    for file in files:
        assert CANARY.encode() not in file.read_bytes(), file.name
    with pytest.raises(UnknownName):
        board.get_sync(run_id, user=ANN)
    assert board.list_sync(user=BOB)
    assert {one.user for one in board.records.spend_sync(user=None)} >= {DELETED, BOB}
    assert f"birds-{ANN}" in {one.agent.name for one in board.agents()}


def test_their_runs_are_stopped_first(board: Board) -> None:
    begun, go = threading.Event(), threading.Event()

    @board.agent(description="Waits for a long time.", idempotent=True)
    def waiting(query: str) -> str:
        begun.set()
        go.wait(30)
        return "At last."

    run_id = board.start_sync("Wait.", agents=["waiting"], user=ANN)
    assert begun.wait(30)
    told = board.users.forget_sync(ANN)
    go.set()
    assert told.deleted["runs"] == 1
    with pytest.raises(UnknownName):
        board.get_sync(run_id, user=ANN)


def test_other_processes_forget_what_they_remember(new_board: Callable[..., Board]) -> None:
    here, there = new_board(), new_board()
    leave_words(there, ANN, CANARY)
    assert there.memory.search_sync("My bird?", user=ANN)
    house = there._house
    assert house._routers is not None
    here.users.forget_sync(ANN)
    until = time.monotonic() + 20
    while house._routers.of("local")._retrieval._heard and time.monotonic() < until:
        time.sleep(0.1)
    assert len(house._routers.of("local")._retrieval._votes) == 0
    there.memory.add_sync("My cat is called Tom.", user=ANN)
    found = there.memory.search_sync("How is my pet called?", user=ANN)
    assert ["Tom" in one.text for one in found] == [True]


@pytest.mark.parametrize("name", [EVERYONE, DELETED])
def test_names_that_are_no_users_are_refused(make_board: Callable[..., Board], name: str) -> None:
    with pytest.raises(InvalidInput, match="is no user's"):
        make_board().users.forget_sync(name)


def test_an_export_is_the_users_and_another_tenants_namesake_is_not_touched(
    board: Board, url: str
) -> None:
    leave_words(board, ANN, CANARY)
    leave_words(board, BOB, "sparrow")
    told = board.users.export_sync(ANN)
    assert {row["query"] for row in told["tables"]["runs"]} == {
        f"What is a {CANARY}?",
        f"Where does a {CANARY} live?",
    }
    assert {"feedback", "chunks", "session_titles", "events"} <= set(told["tables"])
    assert "sparrow" not in repr(told)
    before = contents(url)
    gone = board.users.forget_sync(ANN, tenant="umbrella")
    assert (gone.deleted, gone.anonymised) == ({}, {})
    after = contents(url)
    # Only the mark by which processes hear that something was erased.
    assert [row for row in after.pop("memories") if row["tenant"] == "local"] == before.pop(
        "memories"
    )
    assert after == before
