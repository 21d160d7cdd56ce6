"""An answer that is given again: to whom, for how long, and what it costs."""

from __future__ import annotations

import asyncio

import pytest
from openai_server import Reply

from callboard.errors import ModelUnavailable
from callboard.models.answers import Answers
from callboard.models.chat import ChatReply
from callboard.values import Scope, Usage

# LiteLLM ignores its own use of a deprecated pydantic attribute, but pytest resets its filter.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

ANN = Scope(tenant="acme", user="ann", session="s1")
BOB = Scope(tenant="acme", user="bob")
FOREIGN = Scope(tenant="other", user="ann")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_the_same_request_is_answered_again_at_no_cost(
    streamed, serve, connect, meter, request_for
):
    server = serve("First.", "Second.")
    gateway = connect(server, cache_s=60)
    first = await gateway.ask("main", request_for(), meter=meter, scope=ANN)
    pieces: list[str] = []
    again = await gateway.ask(
        "main",
        request_for(timeout_s=9),
        meter=meter,
        on_text=pieces.append if streamed else None,
        scope=Scope(tenant="acme", user="ann", session="s2"),
    )
    assert (first.cached, again.cached) == (False, True)
    assert (again.text, again.usage, again.attempts) == ("First.", Usage(), 0)
    assert pieces == (["First."] if streamed else [])
    assert (len(server.requests), len(meter.reserved)) == (1, 1)


@pytest.mark.parametrize(
    ("across", "other", "shared"),
    [
        ("user", BOB, False),
        ("tenant", BOB, True),
        ("tenant", FOREIGN, False),
        ("user", None, False),
    ],
)
async def test_others_are_not_given_it_unless_the_settings_say_so(
    across, other, shared, serve, connect, meter, request_for
):
    server = serve("First.", "Second.")
    gateway = connect(server, cache_s=60, cache_scope=across)
    await gateway.ask("main", request_for(), meter=meter, scope=ANN)
    reply = await gateway.ask("main", request_for(), meter=meter, scope=other)
    assert reply.text == ("First." if shared else "Second.")


@pytest.mark.parametrize(
    "change", [{"text": "Bye"}, {"max_tokens": 21}, {"stop": ("x",)}, {"temperature": 0.7}]
)
async def test_another_request_is_another_question(change, serve, connect, meter, request_for):
    server = serve("First.", "Second.")
    gateway = connect(server, cache_s=60)
    await gateway.ask("main", request_for(), meter=meter, scope=ANN)
    reply = await gateway.ask("main", request_for(**change), meter=meter, scope=ANN)
    assert reply.text == "Second."


async def test_samples_are_never_shared(serve, connect, meter, request_for):
    server = serve("First.", "Second.")
    gateway = connect(server, cache_s=60)
    texts = [
        (await gateway.ask("main", request_for(temperature=1.0), meter=meter, scope=ANN)).text
        for _ in range(2)
    ]
    assert texts == ["First.", "Second."]


@pytest.mark.parametrize("cache_s", [0, 0.05])
async def test_it_is_forgotten_in_time(cache_s, serve, connect, meter, request_for):
    gateway = connect(serve("First.", "Second."), cache_s=cache_s)
    await gateway.ask("main", request_for(), meter=meter, scope=ANN)
    await asyncio.sleep(0.1)
    assert (await gateway.ask("main", request_for(), meter=meter, scope=ANN)).text == "Second."


async def test_requests_at_the_same_time_are_one_call(serve, connect, meter, request_for):
    server = serve(Reply(text="One.", delay_s=0.2))
    gateway = connect(server, cache_s=60)
    asking = (gateway.ask("main", request_for(), meter=meter, scope=ANN) for _ in range(20))
    replies = await asyncio.gather(*asking)
    assert {reply.text for reply in replies} == {"One."}
    assert sum(not reply.cached for reply in replies) == 1
    assert (len(server.requests), len(meter.reserved)) == (1, 1)


async def test_a_failure_is_not_shared(serve, connect, meter, request_for):
    server = serve(Reply(status=500, delay_s=0.2), "Fine.")
    gateway = connect(server, cache_s=60)
    asking = (gateway.ask("main", request_for(), meter=meter, scope=ANN) for _ in range(3))
    first, *others = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(first, ModelUnavailable)
    assert [reply.text for reply in others] == ["Fine.", "Fine."]
    assert len(server.requests) == 2


async def test_who_waits_goes_on_when_the_one_who_asked_is_cancelled():
    answers = Answers(60)
    began, asked = asyncio.Event(), []

    async def ask(name: str) -> ChatReply:
        asked.append(name)
        began.set()
        await asyncio.sleep(0.05)
        return ChatReply(text=name, model="m", usage=Usage(), latency_s=0.05)

    first = asyncio.create_task(answers.once("k", lambda: ask("first")))
    await began.wait()
    second = asyncio.create_task(answers.once("k", lambda: ask("second")))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).text == "second"
    assert asked == ["first", "second"]
