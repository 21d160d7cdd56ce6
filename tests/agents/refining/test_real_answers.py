"""What the bundled agents really say is never taken for an order, or for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from platformdirs import user_cache_dir

from callboard.agents.bundled import bundled_agents
from callboard.agents.passages import read_passages
from callboard.agents.refining.exemplars import Senses
from callboard.agents.refining.facts import facts_of
from callboard.agents.refining.injection import orders
from callboard.agents.refining.substance import is_useless
from callboard.agents.sentences import pieces
from callboard.search.encoders import load_encoder


def real_answers() -> Iterator[tuple[str, str]]:
    """Yield queries with the answers of function agents, and headings with their passages."""
    for agent in bundled_agents():
        if agent.function is not None:
            module, name = agent.function.split(":")
            function = getattr(import_module(module), name)
            for example in agent.examples:
                said = function(example)
                text = said if isinstance(said, str) else getattr(said, "text", "")
                if text and getattr(said, "answered", True):
                    yield example, text
        for passage in read_passages(agent.documents) if agent.documents else ():
            yield passage.headings[-1], passage.text


@pytest.fixture(scope="module")
def senses() -> Senses:
    return Senses(load_encoder("minilm", Path(user_cache_dir("callboard"))))


def test_no_real_answer_is_withheld_or_left_out(senses: Senses) -> None:
    wrong = []
    for query, text in real_answers():
        parts = pieces(text)
        told = senses.of([part.quote for part in parts])
        if any(orders(parts, told)) or is_useless(parts, facts_of(pieces(query)), told):
            wrong.append(text)
    assert not wrong
