from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callboard.router.selection import probable


def test_all_that_are_probable_enough_are_taken_the_best_first() -> None:
    assert probable([0.1, 0.5, 0.3], least=0.3) == (1, 2)
    assert probable([0.1, 0.5, 0.3], least=0.1) == (1, 2, 0)


def test_one_is_always_taken() -> None:
    assert probable([0.2, 0.1], least=0.9) == (0,)
    assert probable([], least=0.1) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0, 1), st.floats(0, 1))
def test_asking_for_more_never_takes_others(shares: list[float], one: float, two: float) -> None:
    few, many = (probable(shares, least=least) for least in sorted((one, two), reverse=True))
    assert many[: len(few)] == few
