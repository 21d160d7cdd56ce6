from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callboard.router.selection import smallest_set


def test_one_is_enough_when_it_holds_the_mass() -> None:
    assert smallest_set([0.1, 0.85, 0.05], mass=0.8, most=3) == (1,)


def test_more_are_taken_until_the_mass_is_held_or_the_cap_is_met() -> None:
    assert smallest_set([0.5, 0.3, 0.2], mass=0.7, most=3) == (0, 1)
    assert smallest_set([0.25, 0.25, 0.25, 0.25], mass=0.9, most=2) == (0, 1)


@given(
    st.lists(st.floats(0.001, 1), min_size=1, max_size=20),
    st.floats(0.05, 0.99),
    st.integers(1, 5),
)
def test_no_smaller_set_would_do(shares: list[float], mass: float, most: int) -> None:
    total = sum(shares)
    probabilities = [share / total for share in shares]
    chosen = smallest_set(probabilities, mass=mass, most=most)
    assert 1 <= len(chosen) <= most
    held = sum(probabilities[index] for index in chosen)
    best_of_fewer = sum(sorted(probabilities, reverse=True)[: len(chosen) - 1])
    assert best_of_fewer < mass
    assert held >= mass or len(chosen) == min(most, len(probabilities))
