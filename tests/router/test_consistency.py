"""Reasons as models write them, and whether they agree with the ids that follow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.router.reasoning.consistency import contradiction

LIST = ["billing", "dates", "tech_support", "calendar", "calendar_update", "alarm_query"]

AGREE = [
    ("The user was charged twice, which `billing` covers.", ["billing"]),
    ("`billing` covers the charge and `dates` counts the days.", ["billing", "dates"]),
    ("This is a question about an invoice.", ["billing"]),
    ("", ["billing"]),
    ("The user asks about the weather, which no agent covers.", ["oos"]),
    ("None of the agents fits the query.", ["oos"]),
    ("`billing` fits, not `dates`.", ["billing"]),
    ("`billing` covers refunds; `dates` does not fit.", ["billing"]),
    ("`calendar_update` is needed instead of `calendar`.", ["calendar_update"]),
    ("Although `dates` covers days, the query is about money, so `billing`.", ["billing"]),
    ("`billing` fits because the user did not get the refund.", ["billing"]),
    ("`calendar_update` moves events.", ["calendar_update"]),
    ("The user asks about dates and the calendar of the billing period.", ["billing"]),
    ("The query is not out of scope: `billing` covers it.", ["billing"]),
    ("`billing` ist zuständig für Rechnungen.", ["billing"]),
    ("`calendar_updates` covers it.", ["billing"]),
]

DISAGREE = [
    ("`billing` covers the charge and `dates` covers the 90 days.", ["billing"], "dates"),
    ("The query asks for a refund, which fits `billing`.", ["dates"], "billing"),
    ("`calendar_update` covers moving events.", ["calendar"], "calendar_update"),
    ("calendar_update covers moving events.", ["calendar"], "calendar_update"),
    ("`billing` covers refunds.", ["oos"], "billing"),
    ("`dates` does not fit the query.", ["dates"], "dates"),
    ("`billing` fits, but not `dates`.", ["billing", "dates"], "dates"),
    ("None of the agents covers the weather.", ["billing"], "no agent fits"),
    ("The query is out of scope.", ["billing"], "no agent fits"),
    ("`billing` covers it.", ["billing", "oos"], "both"),
]


@pytest.mark.parametrize(("reason", "chosen"), AGREE)
def test_a_reason_that_agrees_raises_no_alarm(reason: str, chosen: list[str]) -> None:
    assert contradiction(reason, chosen, LIST, max_agents=3) is None


@pytest.mark.parametrize(("reason", "chosen", "about"), DISAGREE)
def test_a_reason_that_disagrees_is_found(reason: str, chosen: list[str], about: str) -> None:
    found = contradiction(reason, chosen, LIST, max_agents=3)
    assert found is not None
    assert about in found


def test_a_full_set_may_leave_out_what_else_would_fit() -> None:
    reason = "`billing` covers the charge and `dates` covers the 90 days."
    assert contradiction(reason, ["billing"], LIST, max_agents=1) is None
    assert contradiction(reason, ["billing"], LIST, max_agents=2) is not None


WORDS = [*LIST, "`billing`", "not", "no", "agent", "fits", "covers", "but", ",", ".", "\n", "oos"]


@given(
    st.one_of(st.text(max_size=300), st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join))
)
def test_any_text_is_read_without_an_error(reason: str) -> None:
    for chosen in (["billing"], ["oos"], ["dates", "calendar"]):
        contradiction(reason, chosen, LIST, max_agents=3)
