"""Answers that are remembered, and asked for once."""

from __future__ import annotations

import asyncio

import pytest

from callboard.errors import BudgetExceeded, CallboardError, ModelUnavailable
from callboard.router.reasoning.remembered import Remembered, normalised


class Work:
    """Counts how often it is done; the outcomes are given one after the other, when let go."""

    def __init__(self, *outcomes: str | Exception) -> None:
        self._outcomes = list(outcomes)
        self.begun = 0
        self.go = asyncio.Event()

    async def __call__(self) -> str:
        self.begun += 1
        await self.go.wait()
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def started(remembered: Remembered[str, str], work: Work, count: int = 2):
    tasks = [asyncio.create_task(remembered.get("k", work)) for _ in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_an_answer_is_remembered_by_its_key() -> None:
    remembered: Remembered[str, str] = Remembered()
    work = Work("one", "two")
    work.go.set()
    assert await remembered.get("k", work) == ("one", False)
    assert await remembered.get("k", work) == ("one", True)
    assert await remembered.get("other", work) == ("two", False)


async def test_those_who_ask_at_once_share_one_answer() -> None:
    work = Work("one")
    tasks = await started(Remembered(), work, 3)
    assert work.begun == 1
    work.go.set()
    assert await asyncio.gather(*tasks) == [("one", False), ("one", True), ("one", True)]


async def test_the_least_recently_used_is_forgotten() -> None:
    remembered: Remembered[str, str] = Remembered(2)
    work = Work(*"abcd")
    work.go.set()
    for key in ("a", "b", "a", "c"):
        await remembered.get(key, work)
    assert await remembered.get("a", work) == ("a", True)
    assert await remembered.get("b", work) == ("d", False)


async def test_a_cancelled_first_caller_leaves_the_question_to_the_next() -> None:
    remembered: Remembered[str, str] = Remembered()
    work = Work("one")
    first, second = await started(remembered, work)
    first.cancel()
    work.go.set()
    assert await second == ("one", False)
    assert work.begun == 2
    assert first.cancelled()


async def test_a_waiting_caller_that_is_cancelled_does_not_stop_the_first() -> None:
    work = Work("one")
    first, second = await started(Remembered(), work)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    work.go.set()
    assert await first == ("one", False)


@pytest.mark.parametrize("own", [BudgetExceeded("no money"), RuntimeError("a bug")])
async def test_a_failure_of_the_first_caller_alone_is_not_shared(own: Exception) -> None:
    work = Work(own, "one")
    first, second = await started(Remembered(), work)
    work.go.set()
    with pytest.raises(type(own)):
        await first
    assert await second == ("one", False)


async def test_a_failure_of_the_model_is_shared_and_not_remembered() -> None:
    remembered: Remembered[str, str] = Remembered()
    work = Work(ModelUnavailable("down"), "one")
    tasks = await started(remembered, work)
    work.go.set()
    failures = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(failure, CallboardError) for failure in failures)
    assert work.begun == 1
    assert await remembered.get("k", work) == ("one", False)


async def test_what_should_not_be_kept_is_given_to_its_caller_alone() -> None:
    remembered: Remembered[str, str] = Remembered()
    work = Work("poor", "good")
    first = asyncio.create_task(remembered.get("k", work, keep=lambda: False))
    await asyncio.sleep(0)
    second = asyncio.create_task(remembered.get("k", work))
    work.go.set()
    assert await first == ("poor", False)
    assert await second == ("good", False)
    assert await remembered.get("k", work) == ("good", True)


def test_case_spaces_and_the_last_mark_make_no_other_question() -> None:
    assert normalised(" Was  I\ncharged Twice?! ") == normalised("was i charged twice")
    assert normalised("Ｃafé") == normalised("cafe\u0301")
    assert normalised("C#") != normalised("C")
    assert normalised("not paid") != normalised("paid")
