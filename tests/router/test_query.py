from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from routing import WordEncoder

from callboard.router.retrieval.query import QueryViews, texts_in_context, views_of
from callboard.values import Exchange

ENCODER = WordEncoder()


def exchange(query: str, answer: str) -> Exchange:
    return Exchange(run_id="1", query=query, answer=answer, agents=("delivery",))


def views(query: str, *history: Exchange) -> QueryViews:
    texts = texts_in_context(query, history)
    return views_of(texts, ENCODER.read(texts))


def test_without_history_a_query_stands_alone() -> None:
    (view,) = views("and to Norway?").views
    assert (view.text, view.weight) == ("and to Norway?", 1.0)


def test_with_history_it_also_stands_after_the_last_query_and_the_last_answer() -> None:
    before = exchange("how long does delivery to Spain take?", "Three days. Where else?")
    found = views("and to Norway?", exchange("hello", "Hi."), before)
    assert [view.text for view in found.views] == [
        "and to Norway?",
        "how long does delivery to Spain take? and to Norway?",
        "Three days. Where else? and to Norway?",
    ]
    assert [view.weight for view in found.views] == pytest.approx([0.4, 0.3, 0.3])
    assert found.alone.views[0].text == "and to Norway?"
    assert found.joined.views[0].text == "how long does delivery to Spain take? and to Norway?"
    assert found.alone.views[0].weight == found.joined.views[0].weight == 1


def test_of_a_long_answer_the_end_is_used_where_it_asks_back() -> None:
    answer = "We ship by train. " * 100 + "For which country?"
    *_, last = views("Norway", exchange("shipping", answer)).views
    assert last.text.endswith("For which country? Norway")
    assert len(last.text) < 250


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=300))
def test_the_views_of_any_conversation_add_up_to_one(query: str, before: str, answer: str) -> None:
    found = views(query, exchange(before, answer))
    assert sum(view.weight for view in found.views) == pytest.approx(1)
    assert found.views[0].text == query
    assert len({view.text for view in found.views}) == len(found.views)


def test_the_mean_vector_weighs_the_views() -> None:
    found = views("Norway", exchange("parcel", "country"))
    weighed = sum(view.weight * view.reading.vector for view in found.views)
    assert found.mean == pytest.approx(weighed)
    assert np.array_equal(found.vector, found.views[0].reading.vector)
