from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.agents.bundled.temperature import Reading, from_kelvin, temperature, to_kelvin
from callboard.agents.bundled.units import converted, units
from callboard.agents.bundled.wording import table
from callboard.values import AgentResult

UNITS = [row[0] for row in table("units")["units"]]


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("how many miles is 10 km", "10 kilometres are about 6.21 miles."),
        ("convert 5 pounds to kg", "5 pounds are about 2.27 kilograms."),
        ("180 cm in feet and inches", "180 centimetres are about 5 feet 10.87 inches."),
        ("182.88 cm in feet and inches", "182.88 centimetres are 6 feet 0 inches."),
        ("5'11\" in cm", "5 feet 11 inches are 180.34 centimetres."),
        ("how many cm are 6 ft 2 in", "6 feet 2 inches are 187.96 centimetres."),
        ("12 in to cm", "12 inches are 30.48 centimetres."),
        ("1 GiB to bytes", "1 gibibyte is 1073741824 bytes."),
        ("100 km/h in mph", "100 kilometres per hour are about 62.14 miles per hour."),
        ("2.5 cups of flour in ml", "2.5 US cups are about 591.47 millilitres."),
        ("My bag is 23 kg. How much is that in pounds?", "23 kilograms are about 50.71 pounds."),
        ("how many feet are in a mile?", "1 mile is 5280 feet."),
        ("200 calories in kj", "200 kilocalories are 836.8 kilojoules."),
        ("68 fahrenheit in celsius", "68 °F is 20 °C."),
        (
            "What is 7 times 125, what is 10 miles in km, and which weekday is 4 July 2026?",
            "10 miles are about 16.09 kilometres.",
        ),
        (
            "50 metres in feet, and 3 miles in km",
            "50 metres are about 164.04 feet. 3 miles are about 4.83 kilometres.",
        ),
    ],
)
def test_wordings_of_conversions(query: str, answer: str) -> None:
    assert units(query) == answer


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("-40 C to F", "-40 °C is -40 °F."),
        ("−40 °C in Fahrenheit", "-40 °C is -40 °F."),
        ("20 degrees in fahrenheit", "20 °C is 68 °F."),
        ("It's 95 F outside. What is that in C?", "95 °F is 35 °C."),
        ("what is 37c in f", "37 °C is 98.6 °F."),
        ("100 degrees celcius to farenheit", "100 °C is 212 °F."),
        ("how many kelvin is 25 degrees celsius", "25 °C is 298.15 K."),
        ("0 kelvin in celsius", "0 K is -273.15 °C."),
    ],
)
def test_wordings_of_temperatures(query: str, answer: str) -> None:
    assert temperature(query) == answer
    assert units(query) == answer


def test_nothing_is_colder_than_absolute_zero() -> None:
    assert "below absolute zero" in str(temperature("-500 c to f"))


@pytest.mark.parametrize(
    "query",
    [
        "10 km",
        "90 days after 2026-01-15",
        "15% of 240",
        "what time is it in Tokyo",
        "is it warm",
        "",
    ],
)
def test_what_is_no_conversion_gets_no_answer(query: str) -> None:
    assert units(query) is None
    assert temperature(query) is None


def test_measures_of_different_things_are_declined_with_the_reason() -> None:
    result = units("5 kg in litres")
    assert isinstance(result, AgentResult)
    assert not result.answered
    assert "different things" in result.text


@settings(max_examples=100, deadline=None)
@given(st.decimals("0.001", "1000000", places=3), st.sampled_from(UNITS), st.sampled_from(UNITS))
def test_there_and_back_is_the_same(amount: Decimal, one: str, other: str) -> None:
    try:
        there = converted(amount, one, other)
    except ValueError:
        return
    assert converted(there, other, one) == pytest.approx(amount, rel=Decimal("1e-20"))


@settings(max_examples=100, deadline=None)
@given(st.decimals("-273.15", "100000", places=2), st.sampled_from("FK"))
def test_a_temperature_there_and_back_is_the_same(celsius: Decimal, scale: str) -> None:
    there = from_kelvin(to_kelvin(Reading(number=celsius, scale="C")), scale)
    back = from_kelvin(to_kelvin(Reading(number=there, scale=scale)), "C")
    assert back == pytest.approx(celsius, abs=Decimal("1e-20"))
