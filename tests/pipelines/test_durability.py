from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from callboard import Agent, AnswerDelta, Board, Done, ScriptedModel

CRASHES = """
    import sys, time
    from callboard import Board, ScriptedModel, Settings
    from callboard.values import AgentTask

    db, marks = sys.argv[1], sys.argv[2]
    board = Board(Settings(database_url=db, refiner={"model": None},
                           limits={"lease_s": 0.5}), recover=False)

    @board.agent(description="Answers at once.", idempotent=True)
    def quick(query: str) -> str:
        with open(marks, "a") as file:
            file.write("quick\\n")
        return "The quick part."

    @board.agent(description="Hangs for ever.", idempotent=IDEMPOTENT)
    def hanging(query: str) -> str:
        with open(marks, "a") as file:
            file.write("hanging\\n")
        time.sleep(600)
        return "never"

    print(board.start_sync("both", agents=["quick", "hanging"]), flush=True)
    time.sleep(600)
"""


def crash_in_mid_turn(tmp_path: Path, *, idempotent: bool) -> tuple[str, Path]:
    """Kill a process as soon as one agent has answered and the other hangs; return the run's id."""
    marks = tmp_path / "marks"
    code = textwrap.dedent(CRASHES).replace("IDEMPOTENT", str(idempotent))
    process = subprocess.Popen(
        [sys.executable, "-c", code, f"sqlite:///{tmp_path / 'board.db'}", str(marks)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        deadline = time.monotonic() + 60
        while not marks.exists() or len(marks.read_text().split()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.5)  # the quick agent's step is committed within a moment
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    return run_id, marks


def resumer(make_board, marks: Path) -> Board:
    board = make_board(limits={"lease_s": 0.5})

    @board.agent(description="Answers at once.", idempotent=True, replace=True)
    def quick(query: str) -> str:
        with marks.open("a") as file:
            file.write("quick\n")
        return "The quick part."

    return board


def register_hanging(board: Board, marks: Path, *, idempotent: bool) -> None:
    @board.agent(description="Hangs for ever.", idempotent=idempotent, replace=True)
    def hanging(query: str) -> str:
        with marks.open("a") as file:
            file.write("hanging\n")
        return "The other part."


def resume(board: Board) -> None:
    deadline = time.monotonic() + 10
    while not board.resume_sync():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_killed_turn_is_resumed_and_no_finished_step_runs_again(make_board, tmp_path) -> None:
    run_id, marks = crash_in_mid_turn(tmp_path, idempotent=True)
    board = resumer(make_board, marks)
    register_hanging(board, marks, idempotent=True)
    assert board.get_sync(run_id).status == "running"
    resume(board)
    run = board.get_sync(run_id)
    assert run.status == "done"
    assert run.answer is not None
    assert "The quick part." in run.answer
    assert "The other part." in run.answer
    assert sorted(marks.read_text().split()) == ["hanging", "hanging", "quick"]
    attempts = {step.key: step.attempt for step in run.steps}
    assert attempts["act:quick"] == 1
    assert attempts["act:hanging"] == 2
    events = list(board.events_sync(run_id))
    assert isinstance(events[-1].body, Done)
    told = "".join(e.body.text for e in events if isinstance(e.body, AnswerDelta))
    assert told == run.answer


def test_a_function_that_may_not_be_repeated_is_not(make_board, tmp_path) -> None:
    run_id, marks = crash_in_mid_turn(tmp_path, idempotent=False)
    board = resumer(make_board, marks)
    register_hanging(board, marks, idempotent=False)
    resume(board)
    run = board.get_sync(run_id)
    assert run.status == "done"
    assert run.answer is not None
    assert "The quick part." in run.answer
    assert "idempotent" in run.answer
    assert marks.read_text().split().count("hanging") == 1


def test_a_board_that_recovers_takes_over_by_itself(make_board, tmp_path) -> None:
    run_id, marks = crash_in_mid_turn(tmp_path, idempotent=True)
    board = make_board(limits={"lease_s": 0.5}, recover=True)
    register_hanging(board, marks, idempotent=True)
    events = list(board.events_sync(run_id))
    assert isinstance(events[-1].body, Done)
    assert board.get_sync(run_id).status == "done"


def test_a_closed_board_leaves_its_run_to_another(make_board) -> None:
    slow = ScriptedModel(lambda request: "Said.", delay_s=30)
    first = make_board(slow)

    first.register(Agent(name="slow", description="Takes its time."))
    run_id = first.start_sync("say it", agents=["slow"])
    wait_for_step(first, run_id, "act:slow/call:0")
    first.close()
    second = make_board(ScriptedModel(lambda request: "Said."))
    assert [run.id for run in second.resume_sync()] == [run_id]
    assert second.get_sync(run_id).answer == "Said."


def wait_for_step(board: Board, run_id: str, key: str) -> None:
    deadline = time.monotonic() + 20
    while key not in [step.key for step in board.get_sync(run_id).steps]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_cancelled_run_ends_and_keeps_what_it_has(make_board) -> None:

    board = make_board(ScriptedModel(lambda request: "late", delay_s=30))
    board.register(Agent(name="slow", description="Takes its time."))
    run_id = board.start_sync("say it", agents=["slow"])
    wait_for_step(board, run_id, "act:slow/call:0")
    assert board.cancel_sync(run_id)
    events = list(board.events_sync(run_id))
    assert isinstance(events[-1].body, Done)
    run = board.get_sync(run_id)
    assert run.status == "cancelled"
    assert {step.status for step in run.steps if step.key.startswith("act")} == {"cancelled"}
    assert not board.cancel_sync(run_id)


def test_another_board_can_watch_and_cancel(make_board) -> None:

    runner = make_board(ScriptedModel(lambda request: "late", delay_s=30))
    runner.register(Agent(name="slow", description="Takes its time."))
    watcher = make_board()
    run_id = runner.start_sync("say it", agents=["slow"])
    wait_for_step(watcher, run_id, "act:slow/call:0")
    assert watcher.cancel_sync(run_id)
    events = list(watcher.events_sync(run_id))
    assert isinstance(events[-1].body, Done)
    assert events[-1].body.status == "cancelled"


@pytest.mark.parametrize("times", [2])
def test_an_agent_registered_in_a_second_process_is_chosen_by_the_next_query(
    make_board, tmp_path, times: int
) -> None:
    board = make_board()
    assert board.route_sync("how do I train a parrot?").agents == ()
    code = """
        import sys
        from callboard import Agent, Board, Settings
        with Board(Settings(database_url=sys.argv[1])) as board:
            board.register(Agent(name="parrots", description="Training and feeding parrots.",
                                 examples=["how do I teach my parrot to talk?"]))
    """
    for _ in range(times):  # the same specification again changes nothing
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), f"sqlite:///{tmp_path / 'board.db'}"],
            check=True,
        )
    assert board.route_sync("how do I train a parrot?").agents == ("parrots",)
    board.unregister("parrots")
    assert board.route_sync("how do I train a parrot?").agents == ()
