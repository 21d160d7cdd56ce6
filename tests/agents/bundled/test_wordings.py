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
