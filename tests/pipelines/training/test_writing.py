"""A model writes queries for documents; what it writes that is none is left out."""

from __future__ import annotations

import json

import pytest

from callboard import Board, ModelUnavailable, ScriptedModel, Settings
from callboard.models.chat import ChatRequest
from callboard.search.experts.training_set import Document, TrainingSet

DOCUMENTS = TrainingSet(
    name="pages",
    documents=tuple(
        Document(text=text)
        for text in ("Boil <b>water</b> first.", "Oil the chain.", "Tune it.", "Paint the door.")
    ),
)


def board(model: ScriptedModel) -> Board:
    return Board(
        Settings(database_url="sqlite://", refiner={"model": None}), models={"main": model}
    )


def answer(request: ChatRequest) -> str:
    said = request.messages[-1].content
    if "chain" in said:
        return 'Sure! {"query": "how do I  oil a bicycle chain"}'
    if "Tune" in said:
        return "no JSON at all"
    return json.dumps({"query": "paint"} if "Paint" in said else {"query": "how to boil water"})


def test_each_query_leads_to_its_document_and_what_is_none_is_left_out() -> None:
    model = ScriptedModel(answer)
    with board(model) as asked:
        made = asked.experts.write_queries_sync(DOCUMENTS, most=4)
    assert dict(zip(made.queries, made.gains, strict=True)) == {
        "how to boil water": {0: 1.0},
        "how do I oil a bicycle chain": {1: 1.0},
    }
    assert made.synthetic
    shown = [request.messages for request in model.requests]
    assert all("Boil" not in messages[0].content for messages in shown)
    assert any("&lt;b&gt;water" in messages[-1].content for messages in shown)


def test_a_model_that_fails_is_told_if_nothing_was_written() -> None:
    def fail(request: ChatRequest) -> str:
        raise ModelUnavailable("It is down.")

    with board(ScriptedModel(fail)) as asked, pytest.raises(ModelUnavailable, match="is down"):
        asked.experts.write_queries_sync(DOCUMENTS)
