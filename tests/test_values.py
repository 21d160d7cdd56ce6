from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from callboard.codec import from_json, to_json
from callboard.values import (
    Candidate,
    Decision,
    Part,
    Usage,
    from_nano,
    known_cost,
    to_nano,
    total_cost,
)

amounts = st.decimals(min_value=0, max_value=10**6, places=12)


@given(amounts)
def test_money_is_rounded_up_to_a_nano_dollar_and_never_down(amount: Decimal) -> None:
    back = from_nano(to_nano(amount))
    assert amount <= back < amount + Decimal("0.000000001")


@given(st.integers(0, 10**18))
def test_nano_dollars_are_exact(nano: int) -> None:
    assert to_nano(from_nano(nano)) == nano


@given(st.lists(st.none() | amounts))
def test_one_unknown_cost_makes_the_total_unknown(costs: list[Decimal | None]) -> None:
    usages = [Usage(cost_usd=cost) for cost in costs]
    known = [cost for cost in costs if cost is not None]
    assert total_cost(usages) == (None if None in costs else sum(known, Decimal(0)))
    assert known_cost(usages) == sum(known, Decimal(0))


def test_usage_from_before_reasoning_was_kept_is_read_as_not_told() -> None:
    usage = Usage(input_tokens=9, output_tokens=5, cost_usd=None, reasoning_tokens=3)
    told = to_json(usage)
    assert from_json(Usage, told) == usage
    del told["reasoning_tokens"]
    assert from_json(Usage, told) == Usage(input_tokens=9, output_tokens=5, cost_usd=None)


def test_a_decision_survives_json_to_the_last_cent() -> None:
    decision = Decision(
        agents=("a", "b"),
        method="retrieval",
        reason="near",
        confidence=0.9,
        in_scope=True,
        candidates=(Candidate(agent="a", score=0.9, chosen=True, reason="like it"),),
        parts=(Part(text="one", agents=("a",)), Part(text="two", agents=("b", "a"))),
        tiers={"filter": "low"},
        budget_usd=Decimal("0.000000001"),
        cost_usd=None,
    )
    assert from_json(Decision, to_json(decision)) == decision
    assert decision.part_for("a") == "one two"
    assert decision.part_for("nobody") is None
