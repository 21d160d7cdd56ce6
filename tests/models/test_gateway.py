"""The gateway against a real HTTP server: what is sent, what comes back, what it costs."""

from __future__ import annotations

import asyncio
import math
import threading
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path

import pytest
from openai_server import Reply

from callboard.codec import from_json, to_json
from callboard.errors import (
    BadModelOutput,
    BudgetExceeded,
    ConfigurationError,
    ModelUnavailable,
    UnknownName,
)
from callboard.model_settings import EMBEDDED_MODEL, ModelSettings, PriceSettings
from callboard.models.chat import (
    ChatReply,
    ChatRequest,
    Message,
    TokenLogprobs,
    ToolCall,
    ToolSpec,
)
from callboard.models.check import check_models
from callboard.models.gateway import Gateway
from callboard.models.measure import measure
from callboard.models.prices import PriceBook, input_bound
from callboard.models.wire import LEAST_LOGPROB
from callboard.values import Usage

# LiteLLM ignores its own use of a deprecated pydantic attribute, but pytest resets its filter.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

PROVIDERS = pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])
STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
FREE = PriceSettings(input_per_million=Decimal(0), output_per_million=Decimal(0))


async def ask(gateway, request, meter, streamed=False) -> ChatReply:
    pieces: list[str] = []
    reply = await gateway.ask(
        "main", request, meter=meter, on_text=pieces.append if streamed else None
    )
    assert "".join(pieces) == (reply.text if streamed else "")
    return reply


@PROVIDERS
@STREAMED
async def test_a_reply_has_text_usage_price_and_latency(
    provider, streamed, serve, connect, meter, request_for
):
    server = serve(Reply(text="One two  three.", usage=(12, 5)))
    gateway = connect(server, model=f"{provider}/tiny")
    reply = await ask(gateway, request_for(), meter, streamed)
    assert reply.text == "One two  three."
    # 12 tokens at 1 USD and 5 at 2 USD per million.
    assert reply.usage == Usage(input_tokens=12, output_tokens=5, cost_usd=Decimal("0.000022"))
    assert (reply.model, reply.finish_reason, reply.attempts) == (f"{provider}/tiny", "stop", 1)
    assert reply.latency_s > 0
    assert meter.settled == [reply.usage]
    assert meter.open == 0


@PROVIDERS
@STREAMED
@pytest.mark.parametrize("reasoning", [None, 0, 64])
async def test_reasoning_tokens_are_told_or_unknown(
    reasoning, provider, streamed, serve, connect, meter, request_for
):
    server = serve(Reply(usage=(12, 70), reasoning=reasoning))
    gateway = connect(server, model=f"{provider}/tiny")
    reply = await ask(gateway, request_for(), meter, streamed)
    assert reply.usage.reasoning_tokens == reasoning
    assert meter.settled == [reply.usage]
    assert from_json(ChatReply, to_json(reply)) == reply


LIKELY = Reply(
    text='{"agent": "billing"}',
    logprobs=(
        ('{"agent": "', -0.01, {'{"agent": "': -0.01, "I": -5.0}),
        ("bill", -0.5, {"bill": -0.5, "dates": -1.25, "odd": -math.inf}),
        ('ing"}', -0.001, {}),
    ),
)


@PROVIDERS
@STREAMED
async def test_log_probabilities_are_told_where_the_settings_say_so(
    provider, streamed, serve, connect, meter, request_for
):
    server = serve(LIKELY)
    gateway = connect(server, model=f"{provider}/tiny", logprobs=True)
    reply = await ask(gateway, request_for(top_logprobs=5), meter, streamed)
    assert (server.requests[0]["logprobs"], server.requests[0]["top_logprobs"]) == (True, 5)
    assert "".join(token.token for token in reply.logprobs) == reply.text
    assert reply.logprobs[1] == TokenLogprobs(
        token="bill",
        logprob=-0.5,
        alternatives=(("bill", -0.5), ("dates", -1.25), ("odd", LEAST_LOGPROB)),
    )
    assert from_json(ChatReply, to_json(reply)) == reply


@STREAMED
@pytest.mark.parametrize(
    ("offered", "asked"), [(False, 5), (True, None)], ids=["not offered", "not asked for"]
)
async def test_log_probabilities_are_not_asked_for_in_vain(
    offered, asked, streamed, serve, connect, meter, request_for
):
    server = serve(LIKELY)
    gateway = connect(server, logprobs=offered)
    reply = await ask(gateway, request_for(top_logprobs=asked), meter, streamed)
    assert reply.logprobs == ()
    assert not {"logprobs", "top_logprobs"} & set(server.requests[0])


@STREAMED
async def test_an_endpoint_that_tells_no_log_probabilities_still_answers(
    streamed, serve, connect, meter, request_for
):
    gateway = connect(serve("Fine."), logprobs=True)
    reply = await ask(gateway, request_for(top_logprobs=5), meter, streamed)
    assert (reply.text, reply.logprobs) == ("Fine.", ())


@STREAMED
async def test_the_request_arrives_as_it_was_made(streamed, serve, connect, meter):
    server = serve("Fine.")
    call = ToolCall(id="c1", name="look", arguments='{"at": 1}')
    request = ChatRequest(
        messages=(
            Message(role="user", content="Look."),
            Message(role="assistant", content="", tool_calls=(call,)),
            Message(role="tool", content="Seen.", tool_call_id="c1"),
        ),
        max_tokens=33,
        temperature=0.5,
        stop=("END",),
    )
    await ask(connect(server), request, meter, streamed)
    (sent,) = server.requests
    assert sent["model"] == "tiny"
    assert (sent["max_tokens"], sent["temperature"], sent["stop"]) == (33, 0.5, ["END"])
    assert sent["messages"][1]["tool_calls"][0]["function"] == {
        "name": "look",
        "arguments": '{"at": 1}',
    }
    assert sent["messages"][2]["tool_call_id"] == "c1"
    assert sent.get("stream_options") == ({"include_usage": True} if streamed else None)
    assert "tools" not in sent
    assert "response_format" not in sent


@pytest.mark.parametrize("offered", [True, False])
async def test_tools_and_schema_are_sent_only_where_they_are_offered(
    offered, serve, connect, meter, request_for
):
    server = serve("Fine.")
    request = request_for(
        tools=(ToolSpec(name="add", description="Adds.", parameters={"type": "object"}),),
        json_schema={"type": "object", "properties": {}, "additionalProperties": False},
    )
    await ask(connect(server, tools=offered, json_schema=offered), request, meter)
    (sent,) = server.requests
    assert ("tools" in sent) is offered
    assert ("response_format" in sent) is offered
    if offered:
        assert sent["tools"][0]["function"]["name"] == "add"
        assert sent["response_format"]["json_schema"]["schema"] == request.json_schema


@PROVIDERS
@STREAMED
async def test_tool_calls_come_back(provider, streamed, serve, connect, meter, request_for):
    server = serve(Reply(text="", tool_calls=(("add", '{"a": 1}'), ("look", "{}"))))
    reply = await ask(connect(server, model=f"{provider}/m"), request_for(), meter, streamed)
    assert [(c.name, c.arguments) for c in reply.tool_calls] == [
        ("add", '{"a": 1}'),
        ("look", "{}"),
    ]
    assert reply.finish_reason == "tool_calls"


@PROVIDERS
@STREAMED
async def test_usage_that_is_not_told_is_unknown_and_so_is_its_cost(
    provider, streamed, serve, connect, meter, request_for
):
    gateway = connect(serve(Reply(usage=None)), model=f"{provider}/m")
    reply = await ask(gateway, request_for(), meter, streamed)
    assert reply.usage == Usage(input_tokens=None, output_tokens=None, cost_usd=None)
    assert meter.settled == [reply.usage]


async def test_a_free_model_stays_free_when_usage_is_not_told(serve, connect, meter, request_for):
    reply = await ask(connect(serve(Reply(usage=None)), price=FREE), request_for(), meter)
    assert reply.usage == Usage(input_tokens=None, output_tokens=None, cost_usd=Decimal(0))
    assert meter.reserved == [Decimal(0)]


async def test_unknown_price_stays_none(serve, connect, meter, request_for):
    reply = await ask(connect(serve("Fine."), price=None), request_for(), meter)
    assert reply.usage == Usage(input_tokens=12, output_tokens=5, cost_usd=None)
    assert meter.reserved == [None]


async def test_a_price_does_not_leak_to_another_model_of_the_same_name(
    serve, connect, meter, request_for
):
    server = serve("Fine.")
    priced, unpriced = connect(server), connect(server, price=None)
    assert (await ask(priced, request_for(), meter)).usage.cost_usd == Decimal("0.000022")
    assert (await ask(unpriced, request_for(), meter)).usage.cost_usd is None


async def test_an_upper_bound_is_reserved_before_the_call(serve, connect, meter, request_for):
    request = request_for("Grüße! " * 50, max_tokens=100)
    await ask(connect(serve("Fine.")), request, meter)
    (reserved,) = meter.reserved
    assert reserved == (Decimal(input_bound(request)) + 100 * 2) / 1_000_000
    assert input_bound(request) > len(("Grüße! " * 50).encode())


async def test_nothing_is_sent_when_the_meter_refuses(serve, connect, tight_meter, request_for):
    server = serve("Fine.")
    with pytest.raises(BudgetExceeded):
        await ask(connect(server), request_for(), tight_meter)
    assert server.requests == []


async def test_a_stream_ends_with_the_whole_reply(serve, connect, meter, request_for):
    gateway = connect(serve("One two three."))
    got = [piece async for piece in gateway.stream("main", request_for(), meter=meter)]
    assert got[:-1] == ["One", " two", " three."]
    assert isinstance(got[-1], ChatReply)
    assert got[-1].text == "One two three."


async def test_a_stream_that_is_not_read_on_is_settled_as_unknown(
    serve, connect, meter, request_for
):
    gateway = connect(serve(Reply(text="a b c d e f", piece_delay_s=0.05)))
    async with aclosing(gateway.stream("main", request_for(), meter=meter)) as pieces:
        async for _ in pieces:
            break
    assert [usage.cost_usd for usage in meter.settled] == [None]
    assert meter.open == 0


async def test_a_cancelled_call_is_settled_as_unknown(serve, connect, meter, request_for):
    server = serve(Reply(delay_s=5))
    gateway = connect(server)
    asking = asyncio.create_task(ask(gateway, request_for(), meter))
    while not server.requests:
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert [usage.cost_usd for usage in meter.settled] == [None]
    assert meter.open == 0


async def test_calls_run_side_by_side_on_shared_connections(serve, connect, meter, request_for):
    everyone_is_here = threading.Event()

    def wait(_request):
        assert everyone_is_here.wait(20)
        return "Fine."

    server = serve(wait)
    gateway = connect(server)
    for arrived in (8, 16):
        everyone_is_here.clear()
        asking = [asyncio.create_task(ask(gateway, request_for(), meter)) for _ in range(8)]
        # Were the loop blocked, or the calls made one by one, this would never be reached.
        while len(server.requests) < arrived:
            await asyncio.sleep(0.01)
        everyone_is_here.set()
        await asyncio.gather(*asking)
    assert server.peak == 8
    assert server.connections == 8


@STREAMED
async def test_a_connection_is_used_again(streamed, serve, connect, meter, request_for):
    server = serve("Fine.")
    gateway = connect(server)
    for _ in range(5):
        await ask(gateway, request_for(), meter, streamed)
    assert server.connections == 1


async def test_the_key_is_read_from_the_environment_at_each_call(
    serve, connect, meter, request_for, monkeypatch
):
    server = serve("Fine.")
    gateway = connect(server, api_key_env="TINY_KEY")
    with pytest.raises(ConfigurationError, match="TINY_KEY"):
        await ask(gateway, request_for(), meter)
    monkeypatch.setenv("TINY_KEY", "secret-1")
    await ask(gateway, request_for(), meter)
    assert server.headers[-1]["authorization"] == "Bearer secret-1"


@PROVIDERS
async def test_the_key_for_openai_is_not_sent_to_other_endpoints(
    provider, serve, connect, meter, request_for, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-others")
    server = serve("Fine.")
    await ask(connect(server, model=f"{provider}/m"), request_for(), meter)
    assert "not-for-others" not in str(server.headers)


async def test_a_self_hosted_model_without_an_address_is_refused(connect, meter, request_for):
    with pytest.raises(ConfigurationError, match=r"Set api_base in \[models\.main\]"):
        await ask(connect(None), request_for(), meter)
    assert meter.reserved == []


async def test_an_unknown_model_names_the_nearest(connect, meter, request_for):
    gateway = connect(None)
    with pytest.raises(UnknownName, match=r"'mian': did you mean 'main'\?"):
        await gateway.ask("mian", request_for(), meter=meter)
    assert gateway.names() == ("main",)


async def test_first_use_without_weights_names_the_command(tmp_path, meter, request_for):
    gateway = Gateway({"main": EMBEDDED_MODEL}, prices=PriceBook(), cache_dir=tmp_path)
    with pytest.raises(ConfigurationError, match="callboard models pull"):
        await ask(gateway, request_for(), meter)
    assert meter.reserved == []


async def test_check_says_of_each_model_whether_it_works(serve, tmp_path: Path, meter):
    good, bad = serve("Yes."), serve(Reply(status=404, error="no such model"))
    models = {
        "good": ModelSettings(model="hosted_vllm/a", api_base=good.url),
        "bad": ModelSettings(model="hosted_vllm/b", api_base=bad.url),
        "none": ModelSettings(model="hosted_vllm/c"),
    }
    gateway = Gateway(models, prices=PriceBook(), cache_dir=tmp_path)
    checks = {check.name: check for check in await check_models(gateway, meter)}
    await gateway.close()
    assert checks["good"].ok
    assert checks["good"].usage.input_tokens == 12
    assert "no such model" in (checks["bad"].error or "")
    assert "api_base" in (checks["none"].error or "")
    assert not checks["bad"].ok
    assert meter.open == 0


async def test_gateways_on_one_loop_close_independently(serve, connect, meter, request_for):
    server = serve("Fine.")
    first, second = connect(server), connect(server)
    await ask(first, request_for(), meter)
    await first.close()
    assert (await ask(second, request_for(), meter)).text == "Fine."


@STREAMED
async def test_an_empty_answer_is_bad_output_and_paid_for(
    streamed, serve, connect, meter, request_for
):
    gateway = connect(serve(Reply(text="", finish_reason="length")))
    with pytest.raises(BadModelOutput, match="allow more"):
        await ask(gateway, request_for(), meter, streamed)
    assert meter.settled[0].cost_usd == Decimal("0.000022")


async def test_the_cost_of_all_attempts_is_unknown_when_one_broke_off(
    serve, connect, meter, request_for
):
    server = serve(Reply(cut_after=0), Reply(text="Fine."))
    reply = await ask(connect(server, retries=1), request_for(), meter)
    assert (reply.attempts, reply.usage.cost_usd) == (2, None)
    assert [usage.cost_usd for usage in meter.settled] == [None, Decimal("0.000022")]


async def test_a_stream_is_not_retried_once_text_was_delivered(serve, connect, meter, request_for):
    server = serve(Reply(text="a b c d", cut_after=2), Reply(text="Never."))
    got: list[str] = []
    with pytest.raises(ModelUnavailable, match="broke off"):
        await connect(server, retries=3).ask("main", request_for(), meter=meter, on_text=got.append)
    assert got == ["a", " b"]
    assert len(server.requests) == 1
    assert [usage.cost_usd for usage in meter.settled] == [None]


async def test_the_seconds_of_a_call_are_paid_where_they_have_a_price(
    serve, connect, meter, request_for
):
    price = PriceSettings(per_second=Decimal("0.01"))
    gateway = connect(serve(Reply(delay_s=0.2)), price=price, timeout_s=10)
    reply = await ask(gateway, request_for(), meter)
    assert Decimal("0.002") <= reply.usage.cost_usd < Decimal("0.02")
    (bound,) = meter.reserved
    assert Decimal("0.09") < bound <= Decimal("0.1")  # all ten seconds


async def test_throughput_is_measured_with_calls_side_by_side(serve, connect, meter):
    server = serve(lambda request: Reply(usage=(700, request["max_tokens"]), delay_s=0.4))
    found = await measure(connect(server), "main", meter, at_once=4, calls=8)
    assert server.peak == 4
    assert len(server.requests) == 2 * (8 + 1)
    assert len({request["messages"][0]["content"][:20] for request in server.requests}) > 16
    # Two rounds of 400 ms at least.
    assert 0 < found.input_tokens_per_second <= 700 * 8 / 0.8
    assert 0 < found.output_tokens_per_second <= 128 * 8 / 0.8
    price = found.price(Decimal(2))
    assert price.output_per_million > price.input_per_million


async def test_throughput_needs_an_endpoint_that_tells_usage(serve, connect, meter):
    with pytest.raises(ModelUnavailable, match="does not tell how many tokens"):
        await measure(connect(serve(Reply(usage=None))), "main", meter, at_once=2, calls=2)
