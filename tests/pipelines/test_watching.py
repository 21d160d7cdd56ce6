"""Those who wait for a run are handed what this process writes; who may not see it is not."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest

from callboard import Agent, AnswerDelta, Done, Event, ScriptedModel, UnknownName
from callboard.pipelines.watchers import KEPT, Watchers

WORDS = " ".join(f"word{n}" for n in range(60))


def events(*numbers: int) -> list[Event]:
    return [Event(run_id="r", seq=n, body=AnswerDelta(text=str(n))) for n in numbers]


async def test_whoever_waits_sees_all_that_is_stored_and_reads_it_once(make_board) -> None:
    board = make_board(ScriptedModel(lambda request: WORDS, delay_s=0.3))
    board.register(Agent(name="quick", description="Answers at once."))
    board.prepare_sync(learn=False)
    read = board._house.store.events.after
    reads = Counter[str]()

    def counted(scope: Any, run_id: str, *args: Any, **kwargs: Any) -> Any:
        reads[run_id] += 1
        return read(scope, run_id, *args, **kwargs)

    board._house.store.events.after = counted

    async def ask(number: int) -> tuple[str, list[Event]]:
        run_id = await board.start(f"{number}?", agents=["quick"])
        return run_id, [event async for event in board.events(run_id)]

    seen = await asyncio.gather(*(ask(number) for number in range(20)))
    for run_id, found in seen:
        assert [event.seq for event in found] == list(range(1, len(found) + 1))
        assert isinstance(found[-1].body, Done)
        assert tuple(found) == read(board.get_sync(run_id).scope, run_id, 0)
    # Twice or so at the beginning, and not for every commit.
    assert sum(reads.values()) <= 5 * len(seen)


async def test_what_is_at_hand_is_shown_to_nobody_of_another_tenant(make_board) -> None:
    gate = threading.Event()
    board = make_board()

    @board.agent(description="Takes its time.")
    def slow(query: str) -> str:
        gate.wait(30)
        return "The secret is 7."

    run_id = await board.start("What is it?", agents=["slow"])
    seen: list[Event] = []

    async def watch() -> None:
        async for event in board.events(run_id):
            seen.append(event)
            gate.set()

    watching = asyncio.create_task(watch())
    for _ in range(20):
        with pytest.raises(UnknownName):
            await anext(board.scoped("other").events(run_id))
        await asyncio.sleep(0.02)
    await watching
    assert isinstance(seen[-1].body, Done)


def test_events_are_at_hand_as_far_back_as_there_is_no_gap() -> None:
    watchers = Watchers(None)  # type: ignore[arg-type]
    watchers.hand("r", events(1))  # nobody waits
    with watchers.watch("r") as watch:
        assert watch.after(0) == ()
        watchers.hand("r", events(2, 3))
        watchers.hand("r", events(4))
        assert watch.after(0) == ()
        assert [event.seq for event in watch.after(1)] == [2, 3, 4]
        assert [event.seq for event in watch.after(3)] == [4]
        assert watch.after(4) == ()
        assert watch.is_last(4)
        watchers.hand("r", events(7))  # 5 and 6 are another process's
        assert watch.after(4) == ()
        assert [event.seq for event in watch.after(6)] == [7]
        assert not watch.is_last(4)
        watchers.hand("r", events(*range(8, 8 + KEPT)))
        assert watch.after(6) == ()
        assert len(watch.after(7)) == KEPT
