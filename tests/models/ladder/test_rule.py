from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callboard.models.ladder import Rule

GAIN = st.floats(-1, 1)
PAIRS = st.integers(1, 4).flatmap(
    lambda n: st.tuples(*[st.lists(kind, min_size=n, max_size=n) for kind in (GAIN, GAIN)])
)


def rule(*taus: float, margins: tuple[float, ...] = ()) -> Rule:
    return Rule(taus=taus, margins=margins or (0.0,) * len(taus))


def test_a_rung_is_left_where_the_next_gains_more_than_tau_however_poor_it_is() -> None:
    assert rule(0.1).climbs(0, 0.2)
    assert not rule(0.1).climbs(0, 0.1)
    assert rule(0.1, 0.1).end([0.0, 0.9], [0.3, 0.0]) == 1


def test_a_rung_is_passed_over_unasked_only_beyond_the_margin() -> None:
    careful = rule(0.1, 0.1, margins=(0.2, 0.2))
    assert careful.start([0.25, 0.9]) == 0
    assert careful.start([0.35, 0.25]) == 1
    assert careful.start([0.35, 0.35]) == 2


@given(PAIRS, st.floats(-1, 1), st.floats(0, 1), st.floats(0, 0.5))
def test_a_greater_tau_never_climbs_higher(
    gains: tuple[list[float], list[float]], tau: float, more: float, margin: float
) -> None:
    before, after = gains
    low, high = (
        Rule(taus=(one,) * len(before), margins=(margin,) * len(before))
        for one in (tau, tau + more)
    )
    assert high.start(before) <= low.start(before)
    assert high.end(before, after) <= low.end(before, after)
