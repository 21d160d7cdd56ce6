"""Work on many items, in threads of this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from fan_work import Doubler, closed_door

from callboard.errors import ConfigurationError, InvalidInput
from callboard.pipelines.fanning import HERE, Place, Work, fan_out

QUICK = Work(make=Doubler, settings={"seconds": 0})


def test_every_item_comes_back_under_its_number() -> None:
    numbers = range(100, 112)
    made = {n: one["doubled"] for n, one in fan_out(QUICK, numbers, Place(workers=3))}
    assert made == {n: 2 * number for n, number in enumerate(numbers)}


def test_items_are_taken_only_when_there_is_room_for_them() -> None:
    taken = []

    def endless() -> Iterator[int]:
        number = 100
        while True:
            taken.append(number)
            yield number
            number += 1

    results = fan_out(QUICK, endless(), Place(workers=2))
    for _ in range(5):
        next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(taken) <= 7


def test_none_lets_the_next_item_wait_for_one_to_end() -> None:
    ended: list[int] = []

    def items() -> Iterator[int | None]:
        yield 1
        while not ended:
            yield None
        yield 2

    for number, _ in fan_out(QUICK, items(), Place(workers=2)):
        ended.append(number)
    assert ended == [0, 1]


def test_none_with_nothing_under_way_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="none is under way"):
        list(fan_out(QUICK, [None], HERE))


def test_an_error_of_the_work_reaches_the_caller() -> None:
    with pytest.raises(InvalidInput, match="13 can't be doubled"):
        list(fan_out(QUICK, [1, 13, 2], HERE))
    with pytest.raises(InvalidInput, match="The door is closed"):
        list(fan_out(Work(make=closed_door), [1], HERE))


def test_work_that_no_other_process_finds_is_refused() -> None:
    def inner(settings: object) -> Doubler:
        return Doubler(settings)

    with pytest.raises(InvalidInput, match="at the top of a module"):
        Work(make=inner)


def test_without_ray_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'callboard\[ray\]'"):
        list(fan_out(QUICK, [1], Place(on="ray")))
