from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from routing import WordEncoder

from callboard.router.retrieval.interaction import MAX_TOKENS, Document, Interaction
from callboard.search.encoder import Reading

EVERYDAY = ("tell me a joke", "how is the weather today", "play some music", "good morning")

word_lists = st.lists(
    st.sampled_from(["invoice", "parcel", "hotel", "train", "money", "bank", "tram"])
)


@pytest.fixture(scope="module")
def encoder() -> WordEncoder:
    return WordEncoder()


@pytest.fixture(scope="module")
def interaction(encoder: WordEncoder) -> Interaction:
    return Interaction(encoder.read(EVERYDAY))


def read(encoder: WordEncoder, text: str) -> Reading:
    return encoder.read([text])[0]


@given(word_lists)
def test_a_document_survives_being_stored(found: list[str]) -> None:
    encoder = WordEncoder()
    document = Interaction(encoder.read(EVERYDAY)).document(read(encoder, " ".join(found)))
    again = Document.from_bytes(document.to_bytes())
    assert np.array_equal(again.tokens.scales, document.tokens.scales)
    assert again.tokens.tokens.tolist() == document.tokens.tokens.tolist()
    assert again.usual == pytest.approx(document.usual, abs=1e-6)


def test_eight_bits_keep_the_vectors(encoder: WordEncoder, interaction: Interaction) -> None:
    reading = read(encoder, "refunds of invoices and late parcels")
    document = interaction.document(reading)
    unpacked = document.tokens.tokens * document.tokens.scales[:, None]
    assert np.abs(unpacked - reading.tokens).max() < 0.005


def test_the_document_that_holds_the_words_is_most_similar(
    encoder: WordEncoder, interaction: Interaction
) -> None:
    texts = ["invoices charges refunds", "parcels tracking delivery", "flights hotels"]
    documents = [interaction.document(one) for one in encoder.read(texts)]
    for place, query in enumerate(["a refund please", "track the delivery", "book hotels"]):
        found = interaction.similarities(read(encoder, query), documents)
        assert found.shape == (3,)
        assert int(np.argmax(found)) == place


def test_a_text_is_more_similar_to_itself_than_anything_to_it(
    encoder: WordEncoder, interaction: Interaction
) -> None:
    reading = read(encoder, "lost parcels")
    document = interaction.document(reading)
    (itself,) = interaction.similarities(reading, [document])
    (other,) = interaction.similarities(read(encoder, "parcels from abroad"), [document])
    assert itself == pytest.approx(1 - document.usual, abs=0.01)
    assert other < itself


def test_rare_words_count_more_than_everyday_ones(encoder: WordEncoder) -> None:
    interaction = Interaction(encoder.read(["today parcel", "today weather", "today music"]))
    documents = [interaction.document(one) for one in encoder.read(["today", "tariffs"])]
    today, tariffs = interaction.similarities(read(encoder, "tariffs today"), documents)
    assert tariffs + documents[1].usual > today + documents[0].usual


def test_what_is_near_to_everything_has_no_advantage(
    encoder: WordEncoder, interaction: Interaction
) -> None:
    hub = interaction.document(read(encoder, " ".join(EVERYDAY)))
    plain = interaction.document(read(encoder, "invoices charges refunds"))
    assert hub.usual > plain.usual
    on_average = np.mean(
        [interaction.similarities(one, [hub, plain]) for one in encoder.read(EVERYDAY)], axis=0
    )
    assert on_average == pytest.approx([0, 0], abs=1e-5)


def test_texts_without_words_are_unlike_everything(
    encoder: WordEncoder, interaction: Interaction
) -> None:
    empty, full = (interaction.document(one) for one in encoder.read(["", "lost parcels"]))
    found = interaction.similarities(read(encoder, "lost parcels"), [empty, full, empty])
    assert found[0] == found[2] == 0 < found[1]
    assert interaction.similarities(read(encoder, ""), [full]).tolist() == [0]
    assert interaction.similarities(read(encoder, "parcels"), []).shape == (0,)


def test_of_a_long_text_the_beginning_is_compared(
    encoder: WordEncoder, interaction: Interaction
) -> None:
    document = interaction.document(read(encoder, "parcel " * MAX_TOKENS + "hotel"))
    assert len(document.tokens) == MAX_TOKENS
    hotel, parcel = (
        interaction.similarities(read(encoder, word), [document])[0] for word in ("hotel", "parcel")
    )
    assert hotel < 0.5 < parcel


def test_without_everyday_queries_all_words_weigh_the_same(encoder: WordEncoder) -> None:
    plain = Interaction([])
    document = plain.document(read(encoder, "lost parcels"))
    (itself,) = plain.similarities(read(encoder, "parcels lost"), [document])
    assert itself == pytest.approx(1, abs=0.01)
