from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from callboard.agents.spec import SLUG, Agent, AgentLimits
from callboard.errors import InvalidInput

DESCRIPTION = "Invoices, charges and refunds."


def refused(**fields: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        Agent(**{"name": "billing", "description": DESCRIPTION, **fields})
    return str(caught.value)


def test_an_agent_without_function_and_documents_asks_the_main_model() -> None:
    agent = Agent(name="billing", description=DESCRIPTION)
    assert (agent.kind, agent.model) == ("model", "main")


def test_function_and_documents_agents_have_no_model_unless_one_is_set() -> None:
    function = Agent(name="adder", description=DESCRIPTION, function="shop.maths:add")
    quoting = Agent(name="help", description=DESCRIPTION, documents=("help/*.md",))
    writing = Agent(name="help", description=DESCRIPTION, documents=("a.md",), model="main")
    assert (function.kind, function.model) == ("function", None)
    assert (quoting.kind, quoting.model) == ("documents", None)
    assert (writing.kind, writing.model) == ("documents", "main")


@pytest.mark.parametrize(
    ("fields", "one", "other"),
    [
        ({"function": "m:f", "documents": ("a.md",)}, "documents", "function"),
        ({"function": "m:f", "model": "main"}, "model", "function"),
        ({"function": "m:f", "tools": ("m:t",)}, "tools", "function"),
        ({"function": "m:f", "instructions": "Be kind."}, "instructions", "function"),
        ({"documents": ("a.md",), "tools": ("m:t",)}, "tools", "documents"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(
    fields: dict[str, Any], one: str, other: str
) -> None:
    message = refused(**fields)
    assert "'billing'" in message
    assert repr(one) in message
    assert repr(other) in message
    assert "remove one" in message


def test_an_agent_that_nothing_could_answer_for_is_refused() -> None:
    assert "nothing could answer" in refused(model=None)


@pytest.mark.parametrize(
    "name", ["", "a", "Billing", "1st", "-x", "bill ing", "billing\n", "bílling", "x" * 65, "a/b"]
)
def test_a_name_that_is_no_slug_is_refused_and_shown(name: str) -> None:
    message = refused(name=name)
    assert "'name'" in message
    assert "2 to 64" in message


def test_a_slug_is_suggested_where_one_can_be_made() -> None:
    assert "for example 'billing-team'" in refused(name="Billing Team!")


def test_what_a_model_says_where_no_agent_fits_is_no_name() -> None:
    with pytest.raises(InvalidInput, match="no agent fits"):
        Agent(name="oos", description="Sells tickets for out-of-season shows.")


def test_an_unknown_field_is_named_with_the_nearest_one() -> None:
    assert "'descripton' is not a field of an agent: did you mean 'description'?" in refused(
        descripton="x"
    )
    assert "did you mean 'timeout_s'?" in refused(limits={"timeout": 3})


def test_a_typo_is_named_before_the_field_that_it_leaves_missing() -> None:
    with pytest.raises(InvalidInput, match="did you mean 'description'"):
        Agent.model_validate({"name": "billing", "descripton": DESCRIPTION})


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InvalidInput, match="'description' is missing"):
        Agent.model_validate({"name": "billing"})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"description": "too short"}, "10 to 4000"),
        ({"description": "x" * 4001}, "4001 characters"),
        ({"description": "Writes \x1b[31mred text."}, r"'\x1b'"),
        ({"description": "Half of a pair \ud800 of surrogates."}, r"'\ud800'"),
        ({"examples": ["fine", "bell\x07"]}, "'examples.1'"),
        ({"examples": ["  "]}, "0 characters"),
        ({"examples": ["x" * 1001]}, "1001 characters"),
        ({"examples": ["x"] * 1001}, "1000 items"),
        ({"examples": "not a list"}, "'examples' is 'not a list'"),
        ({"instructions": "x" * 20_001}, "at most 20000"),
        ({"instructions": "nul \x00"}, r"'\x00'"),
        ({"function": "no_colon"}, "'module:name'"),
        ({"function": ":f"}, "'module:name'"),
        ({"tools": ["a:b:c"]}, "'module:name'"),
        ({"documents": [" "]}, "empty"),
        ({"limits": {"timeout_s": 0}}, "'limits.timeout_s' is 0"),
        ({"limits": {"timeout_s": float("nan")}}, "finite"),
        ({"limits": {"max_tokens": 1.5}}, "'limits.max_tokens' is 1.5"),
        ({"enabled": "perhaps"}, "'enabled' is 'perhaps'"),
        ({"name": 7}, "'name' is 7"),
    ],
)
def test_a_wrong_value_is_refused_with_field_value_and_fix(
    fields: dict[str, Any], said: str
) -> None:
    assert said in refused(**fields)


def test_what_is_not_a_mapping_is_refused_in_words() -> None:
    with pytest.raises(InvalidInput, match="The agent"):
        Agent.model_validate(["billing"])
    with pytest.raises(InvalidInput, match="'name' is 1"):
        Agent.model_validate_json('{"name": 1, "description": "Ten characters."}')


def test_line_breaks_of_a_block_of_text_become_spaces() -> None:
    agent = Agent(name="billing", description="Invoices,\n  charges\tand refunds.\n")
    assert agent.description == "Invoices, charges and refunds."


def test_an_agent_can_not_be_changed() -> None:
    agent = Agent(name="billing", description=DESCRIPTION)
    with pytest.raises(ValidationError, match="frozen"):
        agent.name = "other"  # type: ignore[misc]
    assert agent.name == "billing"


letters = st.characters(exclude_categories=("Cc", "Cs"))
printable = st.text(letters, min_size=1, max_size=200).filter(lambda text: text.strip())
references = st.from_regex(r"[a-z_]{1,9}(\.[a-z_]{1,9}){0,2}:[A-Za-z_]{1,9}", fullmatch=True)
limits = st.builds(
    AgentLimits,
    timeout_s=st.floats(0.001, 3600),
    max_tokens=st.integers(1, 100_000),
    memo_tokens=st.integers(0, 100_000),
    tool_rounds=st.integers(0, 20),
)
common = {
    "name": st.from_regex(r"[a-z][a-z0-9_-]{1,63}", fullmatch=True),
    "description": printable.map(lambda text: f"What it does: {text}"),
    "examples": st.lists(printable, max_size=5).map(tuple),
    "tags": st.lists(printable, max_size=3).map(tuple),
    "limits": limits,
    "idempotent": st.booleans(),
    "enabled": st.booleans(),
}
agents = st.one_of(
    st.builds(Agent, **common, function=references),
    st.builds(Agent, **common, documents=st.tuples(printable), model=st.none() | st.just("main")),
    st.builds(
        Agent,
        **common,
        instructions=st.text(letters, max_size=200),
        model=st.sampled_from(["main", "small"]),
        tools=st.lists(references, max_size=3).map(tuple),
    ),
)


@given(agents)
def test_every_agent_survives_json(agent: Agent) -> None:
    assert Agent.model_validate(agent.model_dump(mode="json")) == agent
    assert Agent.model_validate_json(agent.model_dump_json(exclude_defaults=True)) == agent


@given(st.text(max_size=70))
def test_any_name_is_either_a_slug_or_refused_in_words(name: str) -> None:
    if SLUG.fullmatch(name):
        assert Agent(name=name, description=DESCRIPTION).name == name
    else:
        assert "'name'" in refused(name=name)
