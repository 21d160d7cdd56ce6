from __future__ import annotations

import datetime
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import Field

from callboard.agents.functions import reference
from callboard.agents.tools import RESULT_CHARS, Tool, find_tools, result_text, tool
from callboard.errors import InvalidInput


@tool(side_effects=True, approve=True)
def refund(
    order: str,
    amount: Annotated[Decimal, Field(gt=0, description="In euros.")] = Decimal(1),
    *,
    on: datetime.date | None = None,
) -> str:
    """Pay an order back.

    Args:
        order: its number
    """
    return f"{order}: {amount} on {on}"


@tool
async def weather(city: str) -> dict[str, Any]:
    """Tell the weather."""
    return {"city": city, "degrees": 21}


def test_the_model_is_told_docstring_types_and_defaults() -> None:
    assert refund.name == "refund"
    assert refund.spec.description.startswith("Pay an order back.")
    assert "order: its number" in refund.spec.description
    schema = refund.spec.parameters
    assert schema["required"] == ["order"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["amount"]["description"] == "In euros."


def test_a_tool_is_still_the_function_and_says_what_it_does_outside() -> None:
    assert refund("A1") == "A1: 1 on None"
    assert (refund.side_effects, refund.approve, refund.idempotent) == (True, True, False)
    assert (weather.side_effects, weather.approve) == (False, False)
    assert reference(refund).endswith(":refund")


def test_arguments_are_turned_into_the_types_of_the_function() -> None:
    assert refund.check('{"order": "A1", "amount": "2.50", "on": "2026-01-15"}') == {
        "order": "A1",
        "amount": Decimal("2.50"),
        "on": datetime.date(2026, 1, 15),
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('{"order": 5}', "'order': Input should be a valid string"),
        ('{"order": "A1", "amount": -1}', "'amount'"),
        ('{"order": "A1", "all": true}', "'all'"),
        ("", "'order': Missing required argument"),
        ('["A1"]', "not a JSON object"),
        ("order=A1", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_wrong_arguments_are_explained(arguments: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        refund.check(arguments)
    assert said in str(caught.value)


async def test_sync_and_async_tools_give_text(threads: ThreadPoolExecutor) -> None:
    given = refund.check('{"order": "A1"}')
    assert await refund.run(given, threads=threads, timeout_s=5) == "A1: 1 on None"
    told = await weather.run({"city": "Bern"}, threads=threads, timeout_s=5)
    assert told == '{"city": "Bern", "degrees": 21}'


def test_results_are_text_of_limited_length() -> None:
    assert result_text(None) == "Done."
    assert result_text(Decimal("1.10")) == '"1.10"'
    long = result_text("x" * 10_000)
    assert len(long) < RESULT_CHARS + 50
    assert "10,000 characters in all" in long


def no_docstring(city: str) -> str: ...


def no_type(city) -> str:  # type: ignore[no-untyped-def]
    """Say something."""
    return str(city)


def any_number(*cities: str) -> str:
    """Say something."""
    return ""


def no_json(what: Callable[[], Thread]) -> str:  # type: ignore[name-defined]  # noqa: F821
    """Say something."""
    return ""


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (no_docstring, "has no docstring"),
        (no_type, "'city' has no type"),
        (any_number, "Name each parameter"),
        (no_json, "can't be described as JSON"),
    ],
)
def test_a_function_that_can_not_be_offered_to_a_model_is_refused(
    function: Callable[..., str], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        tool(function)


def test_tools_are_found_by_reference(module: Callable[[str, str], None]) -> None:
    module(
        "my_tools",
        "from callboard import tool\n"
        "@tool\ndef add(a: int, b: int) -> int:\n    'Add.'\n    return a + b\n"
        "def plain(a: int) -> int:\n    'No tool.'\n    return a\n",
    )
    found = find_tools(("my_tools:add",))
    assert isinstance(found["add"], Tool)
    with pytest.raises(InvalidInput, match="Decorate the function with @tool"):
        find_tools(("my_tools:plain",))
    with pytest.raises(InvalidInput, match="Two tools are called 'add'"):
        find_tools(("my_tools:add", "my_tools:add"))
