"""Turns beyond the room of a process wait, and whoever has room carries them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import update

from callboard import Agent, AnswerDelta, Board, Busy, Done, Run, Scope, ScriptedModel, StepEnded
from callboard.codec import to_json
from callboard.pipelines.carrier import LOSSES
from callboard.pipelines.order import Order
from callboard.store.engine import Store
from callboard.store.tables import runs

ONE = {"turns_at_once": 1, "lease_s": 5.0}


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def status(board: Board, run_id: str) -> str:
    return board.get_sync(run_id).status


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Yield what the agent `slow` waits for."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def busy(make_board, gate: threading.Event) -> Callable[..., Board]:
    """Return a function that makes a Board whose only place is taken until the gate opens."""

    def busy(**settings) -> Board:
        board = make_board(**{"limits": ONE, **settings})

        @board.agent(description="Takes its time.", idempotent=True)
        def slow(query: str) -> str:
            gate.wait(30)
            return f"Slowly: {query}"

        board.register(Agent(name="quick", description="Answers at once."))
        first = board.start_sync("first", agents=["slow"])
        until(lambda: any(step.key == "act:slow" for step in board.get_sync(first).steps))
        return board

    return busy


def test_a_turn_beyond_the_room_waits_and_is_carried_when_another_ends(busy, gate) -> None:
    board = busy()
    later = [board.start_sync(f"later {n}", agents=["quick"]) for n in range(3)]
    first = board.list_sync()[-1]
    time.sleep(0.3)
    assert [status(board, run_id) for run_id in later] == ["queued"] * 3
    gate.set()
    for run_id in later:
        assert isinstance(list(board.events_sync(run_id))[-1].body, Done)
    ended = [board.get_sync(run_id) for run_id in (first.id, *later)]
    assert [run.status for run in ended] == ["done"] * 4
    assert sorted(run.finished_at for run in ended) == [run.finished_at for run in ended]


def test_a_run_that_is_waited_for_may_be_carried_by_another_worker(busy, make_board) -> None:
    board = busy()
    asked = ThreadPoolExecutor(1).submit(board.run_sync, "second", agents=["quick"])
    until(lambda: len(board.list_sync()) == 2)
    other = make_board(ScriptedModel(lambda request: "From the other."), recover=True, limits=ONE)
    other.prepare_sync(learn=False)
    run: Run = asked.result(20)
    assert (run.query, run.status, run.answer) == ("second", "done", "From the other.")
    events = list(board.events_sync(run.id))
    assert "".join(e.body.text for e in events if isinstance(e.body, AnswerDelta)) == run.answer
    assert list(board.events_sync(run.id, after=events[-1].seq)) == []


def test_a_worker_that_does_not_recover_takes_what_it_accepted_and_no_more(
    busy, gate, make_board
) -> None:
    board = busy()
    mine = board.start_sync("mine", agents=["quick"])
    other = make_board(limits=ONE)
    other.prepare_sync(learn=False)
    time.sleep(1.2)
    assert status(other, mine) == "queued"
    gate.set()
    until(lambda: status(other, mine) == "done")


def test_a_turn_within_a_turn_needs_no_room(make_board) -> None:
    board = make_board(limits=ONE)

    @board.agent(description="Asks somebody else.", idempotent=True)
    def asking(query: str) -> str:
        return board.run_sync(query, agents=["quick"]).answer or ""

    board.register(Agent(name="quick", description="Answers at once."))
    assert board.run_sync("ask", agents=["asking"]).answer == "From the model."


def test_when_as_many_wait_as_may_a_query_is_refused_and_leaves_nothing(busy, gate) -> None:
    board = busy(limits={**ONE, "queue": 1})
    board.start_sync("second", agents=["quick"])
    with pytest.raises(Busy, match=r"1 queries wait .*Ask again"):
        board.run_sync("third", agents=["quick"])
    assert [run.query for run in board.list_sync()] == ["second", "first"]
    gate.set()
    until(lambda: {run.status for run in board.list_sync()} == {"done"})
    assert board.run_sync("third", agents=["quick"]).status == "done"


def test_a_run_that_waits_ends_at_once_when_it_is_stopped(busy) -> None:
    board = busy()
    run_id = board.start_sync("second", agents=["quick"])
    assert board.cancel_sync(run_id)
    (event,) = board.events_sync(run_id)
    assert isinstance(event.body, Done)
    assert event.body.status == status(board, run_id) == "cancelled"
    assert not board.cancel_sync(run_id)


async def test_a_caller_that_gives_up_stops_the_run_that_waits(busy) -> None:
    board = await asyncio.to_thread(busy)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await board.run("second", agents=["quick"])
    while (await board.list())[0].status == "queued":
        await asyncio.sleep(0.02)
    assert (await board.list())[0].status == "cancelled"


def test_draining_waits_for_what_goes_on_and_takes_no_more(busy, gate, make_board) -> None:
    board = busy()
    waits = board.start_sync("second", agents=["quick"])
    drained = ThreadPoolExecutor(1).submit(board.drain_sync, 20)

    def refuses() -> bool:
        try:
            board.start_sync("third", agents=["quick"])
        except Busy as busy:
            return "about to end" in str(busy)
        return False

    until(refuses)
    gate.set()
    assert drained.result(20) == 0
    first = board.list_sync()[-1]
    assert (first.status, first.answer) == ("done", "Slowly: first")
    assert status(board, waits) == "queued"
    board.close()
    other = make_board(recover=True)
    other.prepare_sync(learn=False)
    until(lambda: status(other, waits) == "done")


def test_what_has_not_ended_in_time_is_let_go_for_others_to_go_on_with_at_once(
    busy, make_board
) -> None:
    board = busy(limits={"lease_s": 1000.0})
    assert board.drain_sync(0.1) == 1
    other = make_board(limits={"lease_s": 1000.0})

    @other.agent(description="Takes its time.", idempotent=True, replace=True)
    def slow(query: str) -> str:
        return f"Quickly: {query}"

    (run,) = other.resume_sync()
    assert (run.status, run.answer) == ("done", "Quickly: first")


def test_a_board_that_never_worked_is_drained(make_board) -> None:
    assert make_board().drain_sync() == 0


def test_a_run_that_was_taken_away_and_dropped_is_taken_up_again(
    make_board, tmp_path: Path
) -> None:
    scripted = ScriptedModel(lambda request: "Said.", delay_s=1.0)
    board = make_board(scripted, recover=True, limits={"lease_s": 0.6})
    board.register(Agent(name="slow", description="Takes its time."))
    run_id = board.start_sync("say it", agents=["slow"])
    until(lambda: any(step.key.startswith("act") for step in board.get_sync(run_id).steps))
    store = Store.open(f"sqlite:///{tmp_path / 'board.db'}")
    with store._database.writing() as connection:  # by a process that died at once
        connection.execute(update(runs).values(owner="dead", fence=2))
    store.close()
    until(lambda: status(board, run_id) == "done")
    events = list(board.events_sync(run_id))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    attempts = [e.body.step.attempt for e in events if isinstance(e.body, StepEnded)]
    assert max(attempts) == 2


def test_a_run_that_every_process_dies_over_is_given_up_in_words(
    make_board, tmp_path: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'board.db'}")
    order = to_json(Order(query="kill"))
    store.runs.create(Scope(), "r1", "kill", options=order, owner="dead", lease_s=-1)
    for number in range(LOSSES - 1):
        (taken,) = store.runs.claim_expired(f"dead{number}", -1)
    assert taken.losses == LOSSES - 1
    store.close()
    board = make_board()
    (run,) = board.resume_sync()
    assert run.status == "failed"
    assert f"{LOSSES} processes in a row died" in (run.error or "")
    assert isinstance(next(iter(board.events_sync("r1"))).body, Done)
    assert board.resume_sync() == ()


async def test_many_at_once_all_come_to_their_turn(make_board) -> None:
    board = make_board(limits={"turns_at_once": 2})
    board.register(Agent(name="quick", description="Answers at once."))
    ended = await asyncio.gather(*(board.run(f"{n}?", agents=["quick"]) for n in range(30)))
    assert [run.status for run in ended] == ["done"] * 30
