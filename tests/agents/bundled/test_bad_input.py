import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.agents.bundled.wording import digits

FUNCTIONS = [
    "calculator",
    "units",
    "temperature",
    "dates",
    "time_zones",
    "shop_data",
    "text_stats",
    "number_bases",
    "colours",
]


def test_every_function_agent_is_tried_here(said) -> None:
    assert sorted(said.functions) == sorted(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    "unit",
    [
        "2+2 ",
        "9**",
        "(",
        "'a",
        "1",
        "one hundred and ",
        "a\x00b",
        "10 km ",
        "2026-01-15 ",
        "tokyo ",
        "#fff ",
    ],
)
@pytest.mark.timeout(20)
def test_a_megabyte_of_anything_ends(said, name: str, unit: str) -> None:
    said(name, unit * (1_000_000 // len(unit)))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    "query", ["", " ", "\n", "?", "\x00", "\ud83d\ude00", "%", "'", '"', "()", "e", "∞"]
)
def test_next_to_nothing_gets_no_answer(said, name: str, query: str) -> None:
    assert said(name, query) is None


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=25, deadline=None)
@given(query=st.text(max_size=200))
def test_no_text_makes_an_agent_fail(said, name: str, query: str) -> None:
    said(name, query)


_MIXTURE = """what is 5 10 2026-01-15 % of km in to and days after between today tokyo 3pm #ff8800
rgb hex binary roman 'abc' words revenue by month orders top from germany celsius F minus + ( ) ?"""
_WORDS = st.sampled_from(_MIXTURE.split())


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=30, deadline=None)
@given(words=st.lists(_WORDS, max_size=14))
def test_no_mixture_of_wishes_makes_an_agent_fail(said, name: str, words: list[str]) -> None:
    said(name, " ".join(words))


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("seven times eight", "7 times 8"),
        ("twenty-five", "25"),
        ("two hundred and five", "205"),
        ("one million two hundred thousand and six", "1200006"),
        ("a dozen", "12"),
        ("2.5 million", "2500000"),
        ("1,234,567.89", "1234567.89"),
        ("three four", "3 4"),
        ("someone often", "someone often"),
        ("five and six", "5 and 6"),
    ],
)
def test_number_words_become_digits(words: str, wanted: str) -> None:
    assert digits(words) == wanted
