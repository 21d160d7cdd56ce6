from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest
from pydantic import BaseModel

from callboard.agents.answers import rendered, to_result
from callboard.errors import InvalidInput
from callboard.values import AgentResult


class Weather(BaseModel):
    city: str
    degrees: Decimal
    rain: bool = False
    hours: tuple[int, ...] = ()


class Said(BaseModel):
    answer: str
    sure: float


class Money(BaseModel):
    amount: Decimal

    def __str__(self) -> str:
        return f"{self.amount} euros"


@dataclass
class Found:
    text: str
    page: int


def test_text_is_the_answer() -> None:
    assert to_result("helper", "Four.") == AgentResult(agent="helper", text="Four.")


@pytest.mark.parametrize("nothing", [None, "", "  \n"])
def test_nothing_is_no_answer_and_says_so(nothing: str | None) -> None:
    result = to_result("helper", nothing)
    assert not result.answered
    assert "helper" in result.text


def test_a_typed_answer_is_kept_as_data_and_read_as_text() -> None:
    result = to_result("weather", Weather(city="Bern", degrees=Decimal("21.5"), hours=(9, 12)))
    assert result.data == {"city": "Bern", "degrees": "21.5", "rain": False, "hours": [9, 12]}
    assert result.text == "city: Bern\ndegrees: 21.5\nrain: no\nhours:\n  - 9\n  - 12"


def test_a_field_text_or_answer_is_the_text() -> None:
    assert to_result("a1", Said(answer="Yes.", sure=0.9)).text == "Yes."
    result = to_result("a1", Found(text="On page 3.", page=3))
    assert (result.text, result.data) == ("On page 3.", {"text": "On page 3.", "page": 3})


def test_a_blank_typed_text_is_no_answer_but_keeps_its_data() -> None:
    result = to_result("a1", Said(answer=" ", sure=0.0))
    assert not result.answered
    assert result.data == {"answer": " ", "sure": 0.0}


def test_a_type_that_says_how_it_reads_is_read_so() -> None:
    assert to_result("a1", Money(amount=Decimal("2.50"))).text == "2.50 euros"


def test_other_json_is_rendered() -> None:
    assert to_result("a1", 36).text == "36"
    assert to_result("a1", True).text == "yes"
    assert to_result("a1", {"total": Decimal("1.10"), "none": None}).text == "total: 1.10\nnone:"
    assert rendered([{"a": 1}, []]) == "-\n  a: 1\n-"


def test_a_whole_result_passes_under_the_name_of_the_agent() -> None:
    given = AgentResult(agent="someone", text="Hi", answered=False)
    assert to_result("helper", given) == AgentResult(agent="helper", text="Hi", answered=False)


def test_what_can_not_be_written_as_json_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"'helper' returned a object.*Return text"):
        to_result("helper", object())
