"""The scripted model: says its lines, and is metered like any other."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from callboard.errors import BadModelOutput, ConfigurationError, ModelUnavailable, TimedOut
from callboard.model_settings import PriceSettings
from callboard.models.chat import ChatReply, TokenLogprobs
from callboard.models.scripted import ScriptedModel
from callboard.values import UNKNOWN_USAGE, Usage


async def test_lines_are_said_in_order(connect, meter, request_for):
    whole = ChatReply(text="Three.", model="m", usage=Usage(input_tokens=1), latency_s=0.0)
    script = ScriptedModel(["One.", lambda request: request.messages[-1].content, whole])
    gateway = connect(replacements={"main": script}, price=None)
    said = [
        (await gateway.ask("main", request_for(text), meter=meter)).text for text in ("a", "b", "c")
    ]
    assert said == ["One.", "b", "Three."]
    assert [request.messages[-1].content for request in script.requests] == ["a", "b", "c"]


async def test_a_function_answers_every_request(connect, meter, request_for):
    script = ScriptedModel(lambda request: request.messages[-1].content.upper())
    gateway = connect(replacements={"main": script})
    for text in ("a", "b"):
        assert (await gateway.ask("main", request_for(text), meter=meter)).text == text.upper()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_it_tells_scripted_log_probabilities(streamed, connect, meter, request_for):
    likely = TokenLogprobs(token="Yes", logprob=-0.1, alternatives=(("Yes", -0.1), ("No", -2.3)))
    whole = ChatReply(text="Yes", model="m", usage=Usage(), latency_s=0.0, logprobs=(likely,))
    gateway = connect(replacements={"main": ScriptedModel([whole])})
    listen = (lambda _text: None) if streamed else None
    reply = await gateway.ask("main", request_for(), meter=meter, on_text=listen)
    assert reply.logprobs == (likely,)


async def test_more_questions_than_lines_is_an_error_that_says_so(connect, meter, request_for):
    gateway = connect(replacements={"main": ScriptedModel(["One."])})
    await gateway.ask("main", request_for(), meter=meter)
    with pytest.raises(ConfigurationError, match="run out: it holds 1 replies"):
        await gateway.ask("main", request_for(), meter=meter)
    assert meter.open == 0


@pytest.mark.parametrize("text", ["One two  three.", " lead", "trail \n", "one"])
async def test_it_streams_word_by_word(text, connect, meter, request_for):
    gateway = connect(replacements={"main": ScriptedModel([text])})
    got = [piece async for piece in gateway.stream("main", request_for(), meter=meter)]
    assert "".join(got[:-1]) == text
    assert got[-1].text == text


async def test_it_costs_what_its_settings_say(connect, meter, request_for):
    price = PriceSettings(input_per_million=Decimal(1), output_per_million=Decimal(2))
    script = ScriptedModel(["One."], usage=Usage(input_tokens=100, output_tokens=50))
    gateway = connect(replacements={"main": script}, price=price)
    reply = await gateway.ask("main", request_for(), meter=meter)
    assert reply.usage.cost_usd == Decimal("0.0002")
    assert meter.settled == [reply.usage]
    assert meter.reserved[0] > Decimal("0.00004")


@pytest.mark.parametrize("usage", [Usage(cost_usd=Decimal("0.5")), UNKNOWN_USAGE])
async def test_without_a_price_it_states_its_own_cost(usage, connect, meter, request_for):
    gateway = connect(replacements={"main": ScriptedModel(["One."], usage=usage)}, price=None)
    assert (await gateway.ask("main", request_for(), meter=meter)).usage == usage
    assert meter.reserved == [Decimal(0)]


async def test_a_refusal_is_released_and_transient_ones_are_tried_again(
    connect, meter, request_for
):
    script = ScriptedModel([ModelUnavailable("down", transient=True), "Up.", ModelUnavailable("x")])
    gateway = connect(replacements={"main": script}, retries=1)
    assert (await gateway.ask("main", request_for(), meter=meter)).attempts == 2
    with pytest.raises(ModelUnavailable, match="x"):
        await gateway.ask("main", request_for(), meter=meter)
    assert (meter.released, len(meter.settled), meter.open) == (2, 1, 0)


async def test_other_errors_pass_unchanged_and_may_have_cost_something(connect, meter, request_for):
    gateway = connect(
        replacements={"main": ScriptedModel([BadModelOutput("odd"), ValueError("bug")])}
    )
    for kind, words in ((BadModelOutput, "odd"), (ValueError, "bug")):
        with pytest.raises(kind, match=words):
            await gateway.ask("main", request_for(), meter=meter)
    assert [usage.cost_usd for usage in meter.settled] == [None, None]


async def test_a_slow_one_times_out(connect, meter, request_for):
    gateway = connect(replacements={"main": ScriptedModel(["Late."], delay_s=5)}, timeout_s=0.05)
    with pytest.raises(TimedOut, match=r"within 0\.05 s"):
        await gateway.ask("main", request_for(), meter=meter)
    assert meter.open == 0


async def test_a_listener_that_fails_ends_the_call(connect, meter, request_for):
    def listen(_text):
        raise RuntimeError("full")

    gateway = connect(replacements={"main": ScriptedModel(["One two three."])})
    with pytest.raises(RuntimeError, match="full"):
        await gateway.ask("main", request_for(), meter=meter, on_text=listen)
    assert [usage.cost_usd for usage in meter.settled] == [None]


async def test_cancelling_while_the_meter_reserves_gives_back(connect, meter, request_for):
    class SlowMeter(type(meter)):
        async def reserve(self, amount_usd, *, model):
            await asyncio.sleep(0.05)
            return await super().reserve(amount_usd, model=model)

    slow = SlowMeter()
    script = ScriptedModel(["One."])
    gateway = connect(replacements={"main": script})
    asking = asyncio.create_task(gateway.ask("main", request_for(), meter=slow))
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (len(slow.reserved), slow.released, slow.open, script.requests) == (1, 1, 0, [])


def test_one_string_is_not_a_script():
    with pytest.raises(ConfigurationError, match="list of replies"):
        ScriptedModel("One.")
