from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.router.retrieval.scoring import (
    GUARD_THRESHOLD,
    WEIGHTS,
    Mix,
    Signals,
    first_scores,
    in_scope_score,
    margin,
    nearest_mean,
    probabilities,
    relevance,
)
from callboard.search.encoder import Vectors

scores = st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=20).map(
    lambda values: np.array(values, np.float32)
)


def numbers(*values: float) -> Vectors:
    return np.array(values, np.float32)


def signals(**given: Vectors) -> Signals:
    """Return signals of two agents that are 0 where nothing is said, and unknown to the heads."""
    names = [one.name for one in fields(Signals)]
    unknown = numbers(np.nan, np.nan)
    plain = {name: numbers(0, 0) for name in names}
    return Signals(**{**plain, "head_meaning": unknown, "head_words": unknown, **given})


def scored(found: Signals, *, examples: float = 0, foreign: float = -1) -> Vectors:
    both = np.ones(2, np.float32)
    return relevance(found, examples * both, foreign * both, WEIGHTS)


@given(scores, st.floats(0.5, 3))
def test_probabilities_add_up_and_keep_the_order(found: Vectors, temperature: float) -> None:
    shares = probabilities(found, temperature)
    assert shares.sum() == pytest.approx(1, abs=1e-4)
    order = np.argsort(found)
    assert np.all(np.diff(shares[order]) >= -1e-6)


@given(scores, st.floats(-30, 30, width=32))
def test_only_differences_of_relevance_count(found: Vectors, more: float) -> None:
    moved = probabilities(found + np.float32(more))
    assert moved == pytest.approx(probabilities(found), abs=1e-3)


def test_a_higher_temperature_is_less_sure() -> None:
    found = numbers(3, 1, 0)
    assert probabilities(found, 3).max() < probabilities(found, 1).max()


@pytest.mark.parametrize("signal", ["name", "said", "words", "tokens"])
def test_what_an_agent_says_of_itself_speaks_for_it(signal: str) -> None:
    low, high = scored(signals(**{signal: numbers(0, 0.5)}))
    assert high > low


@pytest.mark.parametrize("signal", ["taught", "nearest", "words", "tokens"])
def test_examples_speak_for_an_agent_that_the_heads_do_not_know(signal: str) -> None:
    low, high = scored(signals(**{signal: numbers(0, 0.5)}), examples=100)
    assert high > low


@pytest.mark.parametrize("signal", ["head_meaning", "head_words", "nearest"])
def test_the_heads_speak_for_an_agent_that_they_know(signal: str) -> None:
    known = {"head_meaning": numbers(0, 0), "head_words": numbers(0, 0)}
    low, high = scored(signals(**{**known, signal: numbers(0, 0.5)}), examples=100)
    assert high > low


def test_without_examples_what_examples_would_say_is_passed_over() -> None:
    assert scored(signals(taught=numbers(0, 1), nearest=numbers(0, 1))).tolist() == [0, 0]


def test_the_more_examples_the_less_the_description_counts() -> None:
    said = signals(said=numbers(0, 0.5))
    found = [float(scored(said, examples=count)[1]) for count in (0, 1, 4, 50)]
    assert found == sorted(found, reverse=True)
    assert found[1] == pytest.approx(found[0] / 2)


def test_a_description_that_was_not_read_by_token_is_scored_by_the_rest() -> None:
    unread = signals(tokens=numbers(np.nan, np.nan), said=numbers(0, 0.5))
    for examples in (0, 5):
        low, high = scored(unread, examples=examples)
        assert np.isfinite([low, high]).all()
        assert high > low


def test_an_agent_loses_what_is_nearer_to_what_it_denies() -> None:
    plain = signals(said=numbers(0.5, 0.5))
    nothing, far, near = (scored(plain, foreign=foreign)[0] for foreign in (-1, -0.2, 0.3))
    assert nothing == far
    assert near < far - 3


def test_the_first_stage_prefers_whom_the_second_would() -> None:
    known = {"head_meaning": numbers(0, 2), "head_words": numbers(0, np.nan)}
    for found in (
        signals(said=numbers(0, 0.5)),
        signals(taught=numbers(0, 0.5)),
        signals(**{**known, "head_words": numbers(0, 0)}),
    ):
        low, high = first_scores(found, numbers(1, 1), WEIGHTS)
        assert high > low


def test_a_signal_that_is_left_out_says_nothing() -> None:
    without = WEIGHTS.without("tokens", "words")
    found = signals(tokens=numbers(0, 1), words=numbers(0, 9))
    both = np.ones(2, np.float32)
    assert relevance(found, both, -both, without).tolist() == [0, 0]
    assert Mix(said=2).of(signals(said=numbers(1, 2))).tolist() == [2, 4]
    assert Mix().of(found).tolist() == [0, 0]


def test_agents_are_taken_with_their_signals_for_the_second_stage() -> None:
    both = {one.name: np.array([[0, 1], [2, 3]], np.float32) for one in fields(Signals)}
    taken = Signals(**both).at(np.array([1]), np.array([1, 0]))
    assert taken.said.tolist() == [[3, 2]]
    assert np.isnan(taken.tokens)


# In scope ----------------------------------------------------------------------------------------


@given(st.floats(-5, 5), st.floats(-1, 1))
def test_at_the_border_a_query_is_as_much_in_as_out(at: float, border: float) -> None:
    assert in_scope_score(border, border) == pytest.approx(GUARD_THRESHOLD)
    assert 0 <= in_scope_score(at, border) <= 1
    assert (in_scope_score(at, border) > 0.5) == (at > border) or at == pytest.approx(border)


def test_a_near_agent_brings_a_query_in_and_a_near_background_keeps_it_out() -> None:
    assert margin(20, 0.3) > margin(10, 0.3)
    assert margin(20, 0.9) < margin(20, 0.3)


def test_the_background_is_as_near_as_its_nearest_few() -> None:
    assert nearest_mean(numbers()) == 0
    assert nearest_mean(numbers(0.2, 0.4)) == pytest.approx(0.3)
    assert nearest_mean(numbers(*[0.0] * 50, 1, 1, 1, 1, 0.5)) == pytest.approx(0.9)
