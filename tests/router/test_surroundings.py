from __future__ import annotations

import numpy as np
import pytest
from routing import BILLING, TRAVEL, WordEncoder, changed, knowledge

from callboard.router.retrieval.surroundings import Surroundings

ENCODER = WordEncoder()
LINES = ("lost parcels", "send the invoice", "play some music", "tell jokes", "how old are stars")
EVERYDAY = ENCODER.encode(LINES)


def test_everyday_lines_in_an_agents_field_are_left_out() -> None:
    agent = changed(BILLING, description="Charges and card refunds.", examples=("send an invoice",))
    around = Surroundings.of(EVERYDAY, knowledge(ENCODER, agent).values())
    assert around.free(EVERYDAY) == [0, 2, 3, 4]


def test_what_agents_deny_and_what_was_refused_lie_outside() -> None:
    refused = ENCODER.encode(["stock exchange tips"])
    known = knowledge(ENCODER, BILLING, TRAVEL)
    plain = Surroundings.of(EVERYDAY, [known["travel"]])
    around = Surroundings.of(EVERYDAY, known.values(), refused)
    for query in ("delivery times", "stock exchange"):
        (vector,) = ENCODER.encode([query])
        assert around.nearness(vector) > plain.nearness(vector)


def test_without_agents_everything_everyday_is_outside() -> None:
    assert Surroundings.of(EVERYDAY, []).free(EVERYDAY) == list(range(len(LINES)))
    none = np.zeros((0, ENCODER.dim), np.float32)
    assert Surroundings.of(none, []).nearness(EVERYDAY[0]) == 0


def test_a_line_is_not_its_own_surroundings() -> None:
    around = Surroundings(EVERYDAY[:2])
    assert around.nearness(EVERYDAY[0], itself=True) == pytest.approx(EVERYDAY[0] @ EVERYDAY[1])
    assert around.nearness(EVERYDAY[0]) == pytest.approx((1 + EVERYDAY[0] @ EVERYDAY[1]) / 2)
