from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from routing import BILLING, DELIVERY, TRAVEL, WordEncoder, changed, knowledge

from callboard.agents.spec import Agent
from callboard.router.retrieval.heads import Heads
from callboard.search.encoder import Vectors

ENCODER = WordEncoder()
EVERYDAY = ("tell me a joke", "how is the weather today", "play some music")
HOTELS = changed(TRAVEL, examples=("a room in Rome for two nights", "is breakfast included?"))


def trained(*agents: Agent) -> Heads:
    return Heads.train(knowledge(ENCODER, *agents), EVERYDAY)


def best(heads: Heads, scores: Vectors) -> str:
    return list(heads.places)[int(np.argmax(scores))]


def by_meaning(heads: Heads, query: str) -> str:
    return best(heads, heads.meaning(ENCODER.encode([query])[0]))


@pytest.mark.parametrize("agents", [(BILLING, DELIVERY), (BILLING, DELIVERY, HOTELS)])
def test_a_head_prefers_the_agent_whose_examples_are_like_the_query(agents) -> None:
    heads = trained(*agents)
    for agent in agents:
        for example in agent.examples:
            assert by_meaning(heads, example) == agent.name
            assert best(heads, heads.words(example)) == agent.name


def test_of_two_agents_one_gains_what_the_other_loses() -> None:
    heads = trained(BILLING, DELIVERY)
    (vector,) = ENCODER.encode(["track my parcel"])
    scores = heads.meaning(vector)
    assert scores.shape == (2,)
    assert scores[0] == pytest.approx(-scores[1])
    assert scores[1] > 0


def test_pieces_of_words_find_an_agent_whose_words_were_never_seen_whole() -> None:
    heads = trained(BILLING, DELIVERY, HOTELS)
    assert best(heads, heads.words("reinvoicing")) == "billing"
    assert best(heads, heads.words("trackable")) == "delivery"


def test_words_that_no_agent_knows_say_nothing() -> None:
    heads = trained(BILLING, DELIVERY, HOTELS)
    unknown = heads.words("zzz qqq")
    assert np.array_equal(unknown, heads.words("xxx"))
    usual = np.mean([heads.words(line) for line in EVERYDAY], axis=0)
    assert usual == pytest.approx(np.zeros(3), abs=1e-5)


@pytest.mark.parametrize("agents", [(BILLING, DELIVERY), (BILLING, DELIVERY, HOTELS)])
def test_words_are_scored_as_sklearn_itself_scores_them(agents, monkeypatch) -> None:
    from scipy import sparse
    from sklearn import svm
    from sklearn.feature_extraction import text

    fitted: list[Any] = []
    readers: list[Any] = []

    def kept(made: Any, into: list[Any]) -> Any:
        into.append(made)
        return made

    svc, reader = svm.LinearSVC, text.TfidfVectorizer
    monkeypatch.setattr(svm, "LinearSVC", lambda **given: kept(svc(**given), fitted))
    monkeypatch.setattr(text, "TfidfVectorizer", lambda **given: kept(reader(**given), readers))
    heads = trained(*agents)
    for query in ("track the invoice again", "charged charged twice", "Hotel in Rome?", "zzz"):
        features = sparse.hstack([reader.transform([query]) for reader in readers]).tocsr()
        (own,) = np.atleast_2d(fitted[0].decision_function(features) - fitted[0].intercept_)
        own = np.array([-own[0], own[0]]) if len(agents) == 2 else own
        usual = heads.words("0")  # no piece is known: what everyday queries get is taken from 0
        assert heads.words(query) - usual == pytest.approx(own, abs=1e-4)


def test_what_an_agent_says_counts_less_the_more_examples_it_has() -> None:
    said = Agent(name="plain", description="Weather and storms.")
    few = changed(said, examples=("sunny",))
    many = changed(said, examples=("sunny", *(f"cloud{number}" for number in range(30))))
    other = changed(DELIVERY, name="other")
    (vector,) = ENCODER.encode(["weather storms"])
    one, two = (
        (heads.meaning(vector) - heads.meaning(np.zeros_like(vector)))[0]
        for heads in (trained(few, other), trained(many, other))
    )
    assert two < one


def test_where_nothing_is_said_the_agent_with_more_examples_is_likelier() -> None:
    asked_often = changed(DELIVERY, examples=tuple(f"where is parcel {n}" for n in range(40)))
    heads = trained(BILLING, asked_often)
    billing, delivery = heads.meaning(np.zeros(ENCODER.dim, np.float32))
    assert delivery > billing
