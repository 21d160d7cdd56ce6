"""A model read by the probabilities of the tokens of an id."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.errors import BadModelOutput, ModelUnavailable
from callboard.models.chat import ChatReply, TokenLogprobs
from callboard.models.scripted import ScriptedModel
from callboard.router.reasoning.likelihood import LikelihoodReader, calibrated, likeliest, read
from callboard.router.reasoning.talk import Talk
from callboard.values import Usage

NAMES = ["billing", "bills_old", "dates"]


def token(text: str, share: float = 1.0, **others: float) -> TokenLogprobs:
    alternatives = {text: share, **others}
    return TokenLogprobs(
        token=text,
        logprob=math.log(share),
        alternatives=tuple((other, math.log(given)) for other, given in alternatives.items()),
    )


def reply(*tokens: TokenLogprobs) -> ChatReply:
    text = "".join(one.token for one in tokens)
    return ChatReply(text=text, model="m", usage=Usage(), latency_s=0.0, logprobs=tokens)


def answer(*tokens: TokenLogprobs) -> ChatReply:
    return reply(token('{"'), token("agent"), token('":'), token(' "'), *tokens, token('"}'))


def test_the_first_token_tells_how_likely_each_id_was() -> None:
    shares = read(answer(token("dates", 0.6, billing=0.3, oos=0.1)), ["billing", "dates"])
    assert shares == pytest.approx({"billing": 0.3, "dates": 0.6, "oos": 0.1})


def test_ids_that_begin_alike_part_at_the_token_where_they_differ() -> None:
    shares = read(answer(token("bill", 0.8, dates=0.2), token("ing", 0.75, s_old=0.25)), NAMES)
    assert shares["billing"] == pytest.approx(0.6, abs=0.01)
    assert shares["bills_old"] == pytest.approx(0.2, abs=0.01)
    assert shares["dates"] == pytest.approx(0.2, abs=0.01)


def test_an_id_that_goes_on_parts_from_a_shorter_one_at_the_quote() -> None:
    written = answer(
        token("bill"),
        TokenLogprobs(
            token='"}',
            logprob=math.log(0.7),
            alternatives=(('"}', math.log(0.7)), ("_old", math.log(0.3))),
        ),
    )
    shares = read(written, ["bill", "bill_old"])
    assert shares["bill"] == pytest.approx(0.7, abs=0.01)
    assert shares["bill_old"] == pytest.approx(0.3, abs=0.01)


def test_a_token_may_hold_the_quote_and_the_beginning_of_the_id() -> None:
    tokens = (
        token('{"agent":'),
        TokenLogprobs(
            token=' "dates',
            logprob=math.log(0.9),
            alternatives=((' "dates', math.log(0.9)), (' "bill', math.log(0.1))),
        ),
    )
    shares = read(reply(*tokens, token('"}')), ["billing", "dates"])
    assert shares["dates"] == pytest.approx(0.9, abs=0.01)


def test_tokens_that_lead_to_no_id_do_not_count() -> None:
    shares = read(answer(token("dates", 0.2, billing=0.1, weather=0.7)), ["billing", "dates"])
    assert shares["dates"] == pytest.approx(2 * shares["billing"], rel=0.01)


def test_no_id_is_impossible() -> None:
    shares = read(answer(token("dates")), NAMES)
    assert 0 < shares["billing"] < 0.01
    assert sum(shares.values()) == pytest.approx(1)


def test_without_log_probabilities_the_fix_is_told() -> None:
    silent = ChatReply(text='{"agent": "dates"}', model="m", usage=Usage(), latency_s=0.0)
    with pytest.raises(BadModelOutput, match="logprobs = true"):
        read(silent, NAMES)


@pytest.mark.parametrize("said", [reply(token("I think dates.")), answer(token("weather"))])
def test_an_answer_without_an_id_is_refused(said: ChatReply) -> None:
    with pytest.raises(BadModelOutput, match="should have answered with the id"):
        read(said, NAMES)


def test_what_the_model_prefers_whatever_it_is_asked_is_taken_out() -> None:
    prior = {"billing": 0.8, "dates": 0.1, "oos": 0.1}
    shares = {"billing": 0.5, "dates": 0.4, "oos": 0.1}
    fair = calibrated(shares, [prior])
    assert fair["dates"] > fair["billing"]
    assert fair["oos"] == pytest.approx(0.1)


share = st.floats(0.01, 1.0)


@given(*[st.fixed_dictionaries({"billing": share, "dates": share, "oos": share})] * 2)
def test_calibrated_shares_add_up_and_an_even_prior_changes_nothing(said, prior) -> None:
    total = sum(said.values())
    shares = {name: given / total for name, given in said.items()}
    assert sum(calibrated(shares, [prior]).values()) == pytest.approx(1)
    even = dict.fromkeys(shares, 1 / 3)
    assert calibrated(shares, [even]) == pytest.approx(shares)


def test_near_rivals_are_chosen_together_and_nobody_where_oos_leads() -> None:
    shares = {"a": 0.40, "b": 0.30, "c": 0.25, "oos": 0.05}
    assert likeliest(shares, max_agents=3) == ("a", "b", "c")
    assert likeliest(shares, max_agents=2) == ("a", "b")
    assert likeliest({"a": 0.4, "b": 0.1, "oos": 0.5}, max_agents=2) == ()


def fond_of_billing(request) -> ChatReply:
    if "charged twice" in request.messages[1].content:
        return answer(token("dates", 0.45, billing=0.5, units=0.04))
    return answer(token("billing", 0.9, dates=0.05, units=0.05))


async def test_the_model_is_calibrated_once_for_all_queries_about_the_same_agents(
    make_case, journal_to
) -> None:
    model = ScriptedModel(fond_of_billing)
    reader = LikelihoodReader("main")
    shares = await reader.weigh(make_case(), Talk("main", journal_to(model)))
    assert shares["dates"] > shares["billing"]
    first = len(model.requests)
    await reader.weigh(make_case("charged twice, they say"), Talk("main", journal_to(model)))
    assert len(model.requests) == first + 1
    await reader.weigh(make_case(registry_version=2), Talk("main", journal_to(model)))
    assert len(model.requests) == 2 * first + 1


async def test_a_calibration_that_failed_is_tried_again(make_case, journal_to) -> None:
    said = answer(token("dates", 0.6, billing=0.4))
    model = ScriptedModel([said, ModelUnavailable("down"), *[said] * 4])
    reader = LikelihoodReader("main")
    with pytest.raises(ModelUnavailable):
        await reader.weigh(make_case(), Talk("main", journal_to(model)))
    shares = await reader.weigh(make_case(), Talk("main", journal_to(model)))
    assert sum(shares.values()) == pytest.approx(1)
