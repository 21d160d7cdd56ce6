"""What models write in place of the JSON that they were asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.errors import BadModelOutput
from callboard.router.reasoning.word import parse

NAMES = ["billing", "tech_support", "dates"]


@pytest.mark.parametrize(
    "text",
    [
        '{"reason": "Money.", "agents": ["billing"]}',
        'Sure!\n```json\n{"reason": "Money.", "agents": ["Billing ", "billing", "no-such"]}\n```',
        "<reason>Money.</reason>\n<ID>billing</ID>",
        "<Reason>Money.</Reason> <id> BILLING </id><id>invented</id>",
        '{"reason": "Money.", "agents": "billing"}',
        '{"reason": "Money.", "agents": [{"id": "`billing`"}]}',
        '{"agents": ["dates"]} No: {"reason": "Money.", "agents": ["billing"]}',
    ],
)
def test_json_and_tags_are_read_and_unknown_or_repeated_ids_dropped(text: str) -> None:
    found = parse(text, NAMES, max_agents=3)
    assert found.agents == ("billing",)
    assert found.reason == "Money."


def test_oos_means_that_no_agent_fits() -> None:
    found = parse('{"reason": "Weather.", "agents": ["oos"]}', NAMES, max_agents=3)
    assert (found.ids, found.agents) == (("oos",), ())


@pytest.mark.parametrize("text", ["", "I think billing.", '{"agents": ["weather"]}', "{broken"])
def test_a_reply_that_names_no_listed_agent_is_refused(text: str) -> None:
    with pytest.raises(BadModelOutput, match="named no agent"):
        parse(text, NAMES, max_agents=3)


def test_no_more_agents_are_taken_than_allowed() -> None:
    text = '{"reason": "All.", "agents": ["billing", "tech_support", "dates"]}'
    assert parse(text, NAMES, max_agents=2).agents == ("billing", "tech_support")


PIECES = ["{", "}", '"agents"', ":", "[", "]", "<id>", "</id>", '"billing"', "oos", ",", "\\", "7"]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)))
def test_any_text_gives_listed_ids_or_is_refused(text: str) -> None:
    try:
        found = parse(text, NAMES, max_agents=2)
    except BadModelOutput:
        return
    assert found.ids
    assert set(found.ids) <= {*NAMES, "oos"}
    assert len(found.agents) <= 2
