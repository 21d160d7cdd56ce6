"""Natural wordings of what each agent promises: terse, polite, mistyped, situations, in quotes."""

import re
from pathlib import Path

import pytest
import yaml

WORDINGS = yaml.safe_load((Path(__file__).parent / "wordings.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "query", "fact"),
    [(name, *pair) for name, pairs in WORDINGS.items() for pair in pairs],
)
def test_a_natural_wording_gets_the_right_fact(said, name: str, query: str, fact: str) -> None:
    assert re.search(rf"(?<![\w.]){re.escape(fact)}(?!\w)", str(said(name, query)))


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("calculator", "I have 3 bags of 12 apples and eat 5, how many remain"),
        ("calculator", "subtract a quarter of 80 from 50"),
        ("dates", "when does Lidl in Cologne close today"),
        ("dates", "it was a Christmas present, until when may it be returned"),
        ("time_zones", "what time does the next train from Paris to Lyon leave"),
        ("time_zones", "what is the best time of year to visit Peru"),
        ("number_bases", "write a C function that turns decimal into binary"),
        ("number_bases", "what colours do I mix to get purple paint"),
        ("colours", "a poem about the colour grey"),
        ("text_stats", "what is the most common first name in Sweden"),
        ("shop_data", "how much turnover did IKEA make in 2025"),
        ("shop_data", "what will our shop's revenue be in 2030"),
        ("shop_data", "what did Peter Novak buy"),
    ],
)
def test_what_it_does_not_know_it_leaves_alone(said, name: str, query: str) -> None:
    assert said(name, query) is None
