from __future__ import annotations

import numpy as np
import pytest
from routing import BILLING, DELIVERY, TRAVEL, RecordingEmbedding, WordEncoder, knowledge

from callboard.router.retrieval.interaction import Interaction
from callboard.router.retrieval.knowledge import direction, know

ENCODER = WordEncoder()


def test_each_agent_gets_the_vectors_of_its_own_texts() -> None:
    known = knowledge(ENCODER, BILLING, TRAVEL, DELIVERY)
    for agent in (BILLING, TRAVEL, DELIVERY):
        one = known[agent.name]
        assert np.array_equal(one.name, ENCODER.encode([agent.name])[0])
        assert np.array_equal(one.document, ENCODER.encode([one.texts.document])[0])
        for texts, vectors in (
            (one.texts.phrases, one.phrases),
            (agent.examples, one.examples),
            (one.texts.not_its, one.not_its),
        ):
            assert vectors.shape == (len(texts), ENCODER.dim)
            assert not texts or np.array_equal(vectors, ENCODER.encode(texts))


def test_an_agent_without_examples_points_nowhere_by_them() -> None:
    known = knowledge(ENCODER, BILLING, TRAVEL)
    assert not known["travel"].taught.any()
    assert np.linalg.norm(known["billing"].taught) == pytest.approx(1)
    assert np.linalg.norm(known["travel"].said) == pytest.approx(1)


async def test_all_texts_are_embedded_at_once_and_read_by_token_where_wished() -> None:
    embedding = RecordingEmbedding(ENCODER)
    plain = await know([BILLING, DELIVERY], embedding, None)
    assert embedding.embedded.count(BILLING.examples[0]) == 1
    read = await know([BILLING, DELIVERY], embedding, Interaction([]))
    assert all(one.tokens is None for one in plain.values())
    assert all(one.tokens is not None and len(one.tokens.tokens) for one in read.values())


async def test_nobody_needs_no_embedding() -> None:
    embedding = RecordingEmbedding(ENCODER)
    assert await know([], embedding, None) == {}
    assert embedding.embedded == []


def test_a_direction_has_length_one_or_none() -> None:
    vectors = ENCODER.encode(["parcels", "invoices"])
    assert np.linalg.norm(direction(vectors)) == pytest.approx(1)
    assert (vectors @ direction(vectors)).min() > 0
    assert not direction(vectors[:0]).any()
