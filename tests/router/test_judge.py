"""The reasoning router, with a model whose words are known."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from decimal import Decimal

import pytest

from callboard.errors import BadModelOutput, BudgetExceeded, ConfigurationError, ModelUnavailable
from callboard.models.chat import ChatReply, ChatRequest, TokenLogprobs
from callboard.models.scripted import SCRIPTED_USAGE, ScriptedModel
from callboard.router.reasoning.judge import ReasoningRouter
from callboard.values import Exchange

BILLING = '{"reason": "`billing` covers the charge.", "agents": ["billing"]}'
TORN = '{"reason": "`billing` covers the charge.", "agents": ["dates"]}'
USAGE = replace(SCRIPTED_USAGE, cost_usd=Decimal("0.001"))


def likely(**shares: float) -> ChatReply:
    """Answer with the first id, which is as likely as it says."""
    said = [(name, math.log(share)) for name, share in shares.items()]
    tokens = (
        TokenLogprobs(token='{"agent": "', logprob=0.0),
        TokenLogprobs(token=said[0][0], logprob=said[0][1], alternatives=tuple(said)),
        TokenLogprobs(token='"}', logprob=0.0),
    )
    text = "".join(one.token for one in tokens)
    return ChatReply(text=text, model="m", usage=USAGE, latency_s=0.0, logprobs=tokens)


# Reasons -----------------------------------------------------------------------------------------


async def test_a_reason_and_ids_that_agree_take_one_call(make_case, journal_to) -> None:
    model = ScriptedModel([BILLING], usage=USAGE)
    judgement = await ReasoningRouter("main").judge(make_case(), journal_to(model))
    assert judgement.agents == ("billing",)
    assert judgement.reason == "`billing` covers the charge."
    assert judgement.consistent
    assert judgement.calls == 1
    assert judgement.cost_usd == Decimal("0.001")
    assert model.requests[0].json_schema is not None


async def test_nobody_fits(make_case, journal_to) -> None:
    model = ScriptedModel(['{"reason": "No agent covers the weather.", "agents": ["oos"]}'])
    judgement = await ReasoningRouter("main").judge(make_case(), journal_to(model))
    assert judgement.agents == ()
    assert judgement.consistent


async def test_a_contradiction_is_asked_about_once_more_and_told(make_case, journal_to) -> None:
    model = ScriptedModel([TORN, BILLING], usage=USAGE)
    judgement = await ReasoningRouter("main").judge(make_case(), journal_to(model))
    assert judgement.agents == ("billing",)
    assert judgement.consistent
    assert judgement.calls == 2
    assert judgement.cost_usd == Decimal("0.002")
    said, again = model.requests[1].messages[2:]
    assert said.content == TORN
    assert "`billing`, but the ids leave it out" in again.content


@pytest.mark.parametrize("second", [TORN, "Well.", ModelUnavailable("down")])
async def test_one_that_stays_is_not_asked_about_again(second, make_case, journal_to) -> None:
    model = ScriptedModel([TORN, second])
    judgement = await ReasoningRouter("main").judge(make_case(), journal_to(model))
    assert judgement.agents == ("dates",)
    assert not judgement.consistent
    assert len(model.requests) == judgement.calls == 2


async def test_no_money_for_the_second_word_leaves_the_first_to_this_query_alone(
    make_case, journal_to
) -> None:
    model = ScriptedModel([TORN, TORN, BILLING], usage=USAGE)
    router = ReasoningRouter("main")
    poor = await router.judge(make_case(), journal_to(model, calls=1))
    assert (poor.consistent, poor.calls, poor.cost_usd) == (False, 1, Decimal("0.001"))
    rich = await router.judge(make_case(), journal_to(model))
    assert (rich.agents, rich.consistent, rich.cached) == (("billing",), True, False)


async def test_a_reply_that_can_not_be_read_is_an_error(make_case, journal_to) -> None:
    with pytest.raises(BadModelOutput, match="named no agent"):
        await ReasoningRouter("main").judge(make_case(), journal_to(ScriptedModel(["Hm."])))


# Likelihoods -------------------------------------------------------------------------------------


@pytest.mark.parametrize("reading", ["likelihood", "both"])
def test_reading_likelihoods_needs_an_endpoint_that_tells_them(reading) -> None:
    with pytest.raises(ConfigurationError, match=r"logprobs = true in \[models\.small\]"):
        ReasoningRouter("small", reading=reading)
    ReasoningRouter("small", reading=reading, logprobs=True)


def fond_of_units(request: ChatRequest) -> str | ChatReply:
    if request.top_logprobs is None:
        return BILLING
    if "charged twice" in request.messages[1].content:
        return likely(units=0.5, billing=0.45, oos=0.05)
    return likely(units=0.9, billing=0.05, dates=0.05)


async def test_a_model_is_read_by_its_likelihoods_alone(make_case, journal_to) -> None:
    model = ScriptedModel(fond_of_units)
    router = ReasoningRouter("main", reading="likelihood", logprobs=True)
    judgement = await router.judge(make_case(max_agents=1), journal_to(model))
    assert judgement.agents == ("billing",)
    assert judgement.weights is not None
    assert judgement.weights["billing"] > judgement.weights["units"] > judgement.weights["dates"]
    assert "oos" not in judgement.weights
    assert "billing" in judgement.reason
    assert judgement.calls == len(model.requests) == 4
    assert judgement.cost_usd == Decimal("0.004")


async def test_both_gives_the_written_word_and_the_weights(make_case, journal_to) -> None:
    router = ReasoningRouter("main", reading="both", logprobs=True)
    judgement = await router.judge(make_case(), journal_to(ScriptedModel(fond_of_units)))
    assert judgement.agents == ("billing",)
    assert judgement.reason == "`billing` covers the charge."
    assert judgement.weights is not None
    assert judgement.weights["billing"] > judgement.weights["units"]


async def test_the_written_word_stands_where_the_likelihoods_fail(make_case, journal_to) -> None:
    model = ScriptedModel([BILLING, ModelUnavailable("down")])
    router = ReasoningRouter("main", reading="both", logprobs=True)
    judgement = await router.judge(make_case(), journal_to(model))
    assert judgement.agents == ("billing",)
    assert judgement.weights is None
    assert judgement.cost_usd is None


# Remembered --------------------------------------------------------------------------------------


async def test_the_same_question_costs_nothing_the_second_time(make_case, journal_to) -> None:
    model = ScriptedModel([BILLING], usage=USAGE)
    router = ReasoningRouter("main")
    first = await router.judge(make_case("I was charged twice"), journal_to(model))
    case = make_case("i was  charged twice?", shortlist=make_case().shortlist[::-1])
    again = await router.judge(case, journal_to(model))
    assert again == replace(first, cost_usd=Decimal(0), calls=0, cached=True)


@pytest.mark.parametrize(
    "changed",
    [
        {"tenant": "other"},
        {"registry_version": 2},
        {"query": "I was charged three times"},
        {"history": (Exchange(run_id="r", query="hello", answer="hi", agents=("dates",)),)},
        {"max_agents": 1},
    ],
    ids=lambda changed: next(iter(changed)),
)
async def test_another_question_is_asked_anew(changed, make_case, journal_to) -> None:
    model = ScriptedModel([BILLING, BILLING])
    router = ReasoningRouter("main")
    await router.judge(make_case(), journal_to(model))
    judgement = await router.judge(replace(make_case(), **changed), journal_to(model))
    assert not judgement.cached
    assert len(model.requests) == 2


async def test_another_shortlist_is_another_question(make_case, journal_to) -> None:
    model = ScriptedModel([BILLING, BILLING])
    router = ReasoningRouter("main")
    await router.judge(make_case(), journal_to(model))
    fewer = make_case(shortlist=make_case().shortlist[:2])
    assert not (await router.judge(fewer, journal_to(model))).cached


async def test_the_same_question_at_once_takes_one_call(make_case, journal_to) -> None:
    model = ScriptedModel([BILLING], delay_s=0.02)
    router = ReasoningRouter("main")
    judgements = await asyncio.gather(
        *(router.judge(make_case(), journal_to(model)) for _ in range(5))
    )
    assert [judgement.cached for judgement in judgements] == [False, True, True, True, True]
    assert {judgement.agents for judgement in judgements} == {("billing",)}


async def test_who_asked_first_and_is_cancelled_does_not_fail_the_others(
    make_case, journal_to
) -> None:
    model = ScriptedModel(lambda request: BILLING, delay_s=0.02)
    router = ReasoningRouter("main")
    first, second = (
        asyncio.create_task(router.judge(make_case(), journal_to(model))) for _ in range(2)
    )
    while not model.requests:
        await asyncio.sleep(0)
    first.cancel()
    assert (await second).agents == ("billing",)


async def test_who_asked_first_without_money_does_not_fail_the_others(
    make_case, journal_to
) -> None:
    router = ReasoningRouter("main")
    model = ScriptedModel([BILLING])
    poor, rich = await asyncio.gather(
        router.judge(make_case(), journal_to(model, calls=0)),
        router.judge(make_case(), journal_to(model)),
        return_exceptions=True,
    )
    assert isinstance(poor, BudgetExceeded)
    assert rich.agents == ("billing",)


async def test_a_failure_is_not_remembered(make_case, journal_to) -> None:
    model = ScriptedModel([ModelUnavailable("down"), BILLING])
    router = ReasoningRouter("main")
    with pytest.raises(ModelUnavailable):
        await router.judge(make_case(), journal_to(model))
    assert (await router.judge(make_case(), journal_to(model))).agents == ("billing",)
