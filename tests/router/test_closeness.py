from __future__ import annotations

import numpy as np
import pytest
from routing import BILLING, TRAVEL, WordEncoder, knowledge

from callboard.router.retrieval.closeness import closeness

ENCODER = WordEncoder()


def test_every_query_is_compared_with_the_texts_of_every_agent() -> None:
    known = tuple(knowledge(ENCODER, BILLING, TRAVEL).values())
    queries = ENCODER.encode(["send me the invoice again", "delivery times"])
    (billing, travel), (denied, _) = closeness(known, queries, queries)
    assert BILLING.examples[billing.place] == "send me the invoice again"
    assert billing.cosine == pytest.approx(1, abs=1e-5)
    assert billing.nearest == pytest.approx(float((known[0].examples @ queries[0]).mean()))
    assert (travel.nearest, travel.foreign) == (0, -1)
    assert denied.foreign == pytest.approx(1 - denied.cosine, abs=1e-5)


def test_the_nearest_examples_count_in_the_light_of_the_conversation() -> None:
    known = tuple(knowledge(ENCODER, BILLING).values())
    queries = ENCODER.encode(["send me the invoice again"])
    ((found,),) = closeness(known, queries, np.zeros_like(queries))
    assert found.nearest == 0
    assert found.cosine == pytest.approx(1, abs=1e-5)
