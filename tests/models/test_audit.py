"""The audit of billed reasoning, on providers of which is known whether they are honest."""

from __future__ import annotations

import math
import random
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.models.audit import ENOUGH, AuditedCall, audit
from callboard.records import AuditRow

SINCE = datetime(2026, 3, 1, tzinfo=UTC)


def provider(seed: int, *, calls: int = 600, inflated: float = 1.0) -> list[AuditedCall]:
    """Return ten calls a day, the second half of them since the day that inflates their reasoning.

    It is log-normal with a heavy tail (its P99 is 16 times its median); long prompts need more.
    """
    draw = np.random.default_rng(seed)
    found = []
    for number in range(calls):
        at = SINCE + timedelta(days=(number - calls / 2) / 10)
        prompt, visible = int(draw.integers(20, 5000)), int(draw.integers(10, 500))
        reasoning = visible * draw.lognormal(0, 1.2) * (2 if prompt > 1000 else 1)
        found.append(
            AuditedCall(
                run_id=f"{seed}-{number}",
                at=at,
                model="openai/thinker",
                domain="poet",
                prompt_tokens=prompt,
                visible_tokens=visible,
                reasoning_tokens=round(reasoning * (inflated if at >= SINCE else 1)),
            )
        )
    return found


def only(calls: list[AuditedCall]) -> AuditRow:
    (row,) = audit(calls, SINCE).rows
    return row


@pytest.mark.parametrize("seed", range(5))
def test_a_provider_that_bills_twice_as_much_from_some_day_on_is_found(seed: int) -> None:
    row = only(provider(seed, calls=2400, inflated=2))
    assert row.interval is not None
    assert row.times is not None
    assert row.times == pytest.approx(2, abs=0.3)
    assert 1 < row.interval[0] < row.times < row.interval[1]
    assert (row.calls, row.told, row.baseline, row.baseline_calls) == (1200, 1200, "domain", 1200)
    assert row.above_p99 == len(row.run_ids) > 30  # of an honest one 12 would be


def test_honest_heavy_tailed_reasoning_is_rarely_called_too_much() -> None:
    rows = [only(provider(seed)) for seed in range(40)]
    intervals = [row.interval for row in rows if row.interval is not None]
    assert len(intervals) == 40
    assert sum(low > 1 for low, _ in intervals) <= 3  # a 95 % interval allows for one
    assert sum(low <= 1 <= high for low, high in intervals) >= 35
    assert sum(row.above_p99 or 0 for row in rows) / (40 * 300) == pytest.approx(0.015, abs=0.01)


def test_long_prompts_are_compared_with_long_ones() -> None:
    calls = [
        replace(call, prompt_tokens=length, reasoning_tokens=times * call.visible_tokens)
        for number, call in enumerate(provider(1))
        for length, times in [((100, 1), (2000, 4))[number % 2]]
    ]
    row = only([call for call in calls if call.at < SINCE or call.prompt_tokens == 2000])
    assert row.times == 1
    assert row.interval == (1, 1)
    assert row.above_p99 == 0
    assert (row.median_ratio, row.p95_ratio) == (2.5, 4)


def test_an_agent_that_is_new_is_compared_with_the_whole_model() -> None:
    calls = provider(2)
    calls += [replace(call, domain="coder") for call in calls if call.at >= SINCE]
    coder, poet = audit(calls, SINCE).rows
    assert (coder.domain, coder.baseline, coder.baseline_calls) == ("coder", "model", 300)
    assert (poet.domain, poet.baseline) == ("poet", "domain")
    assert coder.expected_tokens == pytest.approx(
        sum(call.visible_tokens for call in calls if call.domain == "coder") * _mean(calls)
    )


def _mean(calls: list[AuditedCall]) -> float:
    earlier = [call for call in calls if call.at < SINCE]
    reasoning = sum(call.reasoning_tokens or 0 for call in earlier)
    return reasoning / sum(call.visible_tokens for call in earlier)


def test_too_little_is_said_and_not_counted() -> None:
    calls = provider(3)
    earlier = [call for call in calls if call.at < SINCE][: ENOUGH - 1]
    audited = [call for call in calls if call.at >= SINCE]
    row = only(earlier + audited)
    assert (row.baseline, row.baseline_calls) == (None, ENOUGH - 1)
    assert (row.median_ratio, row.expected_tokens, row.times, row.interval) == (None,) * 4
    assert row.billed_tokens == sum(call.reasoning_tokens or 0 for call in audited)
    few = only([call for call in calls if call.at < SINCE] + audited[: ENOUGH - 1])
    assert few.times is not None
    assert few.interval is None


def test_what_is_not_told_is_counted_apart() -> None:
    calls = provider(4)
    silent = [
        replace(call, reasoning_tokens=None) if number % 3 == 0 else call
        for number, call in enumerate(calls)
    ]
    row = only(silent)
    assert (row.calls, row.told, row.baseline_calls) == (300, 200, 200)
    none = only([replace(call, reasoning_tokens=None) for call in calls])
    assert (none.calls, none.told, none.billed_tokens, none.baseline) == (300, 0, 0, None)
    late = [replace(c, reasoning_tokens=None) if c.at >= SINCE else c for c in calls]
    assert (only(late).told, only(late).times, only(late).interval) == (0, None, None)


def test_a_model_that_never_reasoned_is_expected_nothing() -> None:
    calls = [replace(c, reasoning_tokens=0) if c.at < SINCE else c for c in provider(5)]
    row = only(calls)
    assert (row.expected_tokens, row.times, row.interval) == (0, None, None)
    assert row.above_p99 == 300


some_calls = st.lists(
    st.builds(
        AuditedCall,
        run_id=st.sampled_from(["r1", "r2", "r3"]),
        at=st.sampled_from([SINCE - timedelta(days=1), SINCE, SINCE + timedelta(days=1)]),
        model=st.sampled_from(["m", "n"]),
        domain=st.sampled_from(["a", "m"]),
        prompt_tokens=st.integers(0, 10**6),
        visible_tokens=st.integers(1, 10**5),
        reasoning_tokens=st.none() | st.integers(0, 10**6),
    ),
    max_size=12,
)
TIMES = 30
"""How often each is repeated, so that some cells have enough of them."""


@given(some_calls, st.integers(0, 99))
def test_figures_are_numbers_and_no_order_changes_them(some: list[AuditedCall], seed: int) -> None:
    calls = some * TIMES
    found = audit(calls, SINCE)
    for row in found.rows:
        figures = [*asdict(row).values(), row.times, *(row.interval or ())]
        numbers = [one for one in figures if isinstance(one, int | float)]
        assert all(math.isfinite(number) and number >= 0 for number in numbers)
        assert row.told <= row.calls
        assert (row.above_p99 or 0) <= row.told
        if row.interval is not None:
            assert row.interval[0] <= row.interval[1]
    assert sum(row.calls for row in found.rows) == sum(call.at >= SINCE for call in calls)
    random.Random(seed).shuffle(calls)
    assert audit(calls, SINCE) == found
