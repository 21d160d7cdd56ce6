"""What happens when calls fail: the error, the fix in it, the money, the retries, no secrets."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from email.utils import formatdate

import pytest
from openai_server import OpenAIServer, Reply

from callboard.errors import (
    BadModelOutput,
    CallboardError,
    ConfigurationError,
    InvalidInput,
    ModelUnavailable,
    TimedOut,
)

CANARY = "sk-canary-0123456789abcdef"

# LiteLLM ignores its own use of a deprecated pydantic attribute, but pytest resets its filter.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

PROVIDERS = pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])
STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])

TOO_LONG = "This model's maximum context length is 2048 tokens. However, you requested 9000 tokens."

REFUSALS = [
    (Reply(status=401, error=f"Incorrect API key provided: {CANARY}"), "refused the key"),
    (Reply(status=403), "refused the key"),
    (Reply(status=404, error="The model `tiny` does not exist."), "model and api_base"),
    (Reply(status=402), "Top up"),
    (Reply(status=400, error=TOO_LONG), "Send less text"),
    (Reply(status=400, error="bad tool"), "refused the request"),
    (Reply(status=422, error="bad field"), "refused the request"),
    (Reply(status=429, error="slow down"), "rate limit"),
    (Reply(status=500, error="boom"), "boom"),
    (Reply(status=503, error="loading"), "loading"),
]


def expected(reply: Reply) -> tuple[type[CallboardError], bool | None]:
    if reply.status in (400, 422):
        return InvalidInput, None
    return ModelUnavailable, reply.status in (429, 500, 503)


async def failure(gateway, request, meter, streamed=False) -> CallboardError:
    with pytest.raises(CallboardError) as caught:
        await gateway.ask("main", request, meter=meter, on_text=len if streamed else None)
    return caught.value


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@PROVIDERS
@STREAMED
@pytest.mark.parametrize(("reply", "words"), REFUSALS, ids=[f"{r.status}-{w}" for r, w in REFUSALS])
async def test_a_refused_call_costs_nothing_and_tells_the_fix(
    reply, words, provider, streamed, serve, connect, meter, request_for, monkeypatch
):
    monkeypatch.setenv("TINY_KEY", CANARY)
    gateway = connect(serve(reply), model=f"{provider}/tiny", api_key_env="TINY_KEY")
    error = await failure(gateway, request_for(), meter, streamed)
    assert (type(error), getattr(error, "transient", None)) == expected(reply)
    assert words in str(error)
    assert "'main'" in str(error)
    assert (meter.settled, meter.released, meter.open) == ([], 1, 0)
    assert CANARY not in "".join(traceback.format_exception(error))
    assert all(CANARY not in f"{link!s}{link!r}" for link in chain(error))


@STREAMED
async def test_a_server_that_is_not_there_costs_nothing(
    streamed, serve, connect, meter, request_for
):
    with OpenAIServer() as server:
        gateway = connect(server)
    error = await failure(gateway, request_for(), meter, streamed)
    assert isinstance(error, ModelUnavailable)
    assert error.transient
    assert "can't be reached" in str(error)
    assert (meter.settled, meter.released) == ([], 1)


@PROVIDERS
@STREAMED
async def test_a_reply_that_breaks_off_may_have_cost_something(
    provider, streamed, serve, connect, meter, request_for
):
    gateway = connect(serve(Reply(text="a b c d", cut_after=2)), model=f"{provider}/tiny")
    error = await failure(gateway, request_for(), meter, streamed)
    assert isinstance(error, ModelUnavailable)
    assert error.transient
    assert "broke off" in str(error)
    assert [usage.cost_usd for usage in meter.settled] == [None]
    assert meter.released == 0


@PROVIDERS
@STREAMED
@pytest.mark.parametrize("body", [b"<html>hello</html>", b"{}", b'{"choices": []}', b""])
async def test_what_is_no_completion_is_bad_output(
    body, provider, streamed, serve, connect, meter, request_for
):
    gateway = connect(serve(Reply(body=body)), model=f"{provider}/tiny")
    error = await failure(gateway, request_for(), meter, streamed)
    assert isinstance(error, BadModelOutput)
    assert "no chat completion" in str(error)
    assert len(meter.settled) == 1


@PROVIDERS
async def test_an_error_in_the_middle_of_a_stream_is_told(
    provider, serve, connect, meter, request_for
):
    event = b'data: {"error": {"message": "CUDA out of memory", "type": "x", "code": 500}}\n\n'
    server = serve(Reply(body=event, headers={"Content-Type": "text/event-stream"}))
    error = await failure(connect(server, model=f"{provider}/m"), request_for(), meter, True)
    assert isinstance(error, ModelUnavailable)
    assert "CUDA out of memory" in str(error)


@STREAMED
async def test_too_slow_is_timed_out_and_unknown(streamed, serve, connect, meter, request_for):
    gateway = connect(serve(Reply(delay_s=5)), retries=2)
    error = await failure(gateway, request_for(timeout_s=0.3), meter, streamed)
    assert isinstance(error, TimedOut)
    assert "timeout_s" in str(error)
    assert [usage.cost_usd for usage in meter.settled] == [None]


async def test_the_deadline_holds_in_the_middle_of_a_stream(serve, connect, meter, request_for):
    gateway = connect(serve(Reply(text="a b c d e f g h", piece_delay_s=0.2)), timeout_s=0.5)
    assert isinstance(await failure(gateway, request_for(), meter, True), TimedOut)
    assert meter.open == 0


@STREAMED
async def test_transient_failures_are_tried_again(streamed, serve, connect, meter, request_for):
    server = serve(Reply(status=503), Reply(status=429, headers={"Retry-After": "0"}), "Fine.")
    pieces: list[str] = []
    reply = await connect(server, retries=2).ask(
        "main", request_for(), meter=meter, on_text=pieces.append if streamed else None
    )
    assert (reply.text, reply.attempts, len(server.requests)) == ("Fine.", 3, 3)
    assert (meter.released, len(meter.settled), meter.open) == (2, 1, 0)


async def test_retries_end(serve, connect, meter, request_for):
    server = serve(Reply(status=500))
    error = await failure(connect(server, retries=1), request_for(), meter)
    assert isinstance(error, ModelUnavailable)
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_lasting_failures_are_not_tried_again(status, serve, connect, meter, request_for):
    server = serve(Reply(status=status))
    await failure(connect(server, retries=3), request_for(), meter)
    assert len(server.requests) == 1


@pytest.mark.parametrize("date", [False, True])
async def test_a_wait_beyond_the_deadline_is_not_waited_for(
    date, serve, connect, meter, request_for
):
    wait = formatdate(time.time() + 600, usegmt=True) if date else "600"
    server = serve(Reply(status=429, headers={"Retry-After": wait}))
    error = await failure(connect(server, retries=3, timeout_s=20), request_for(), meter)
    assert len(server.requests) == 1
    assert "Try again in" in str(error)


async def test_the_wait_that_the_endpoint_asks_for_is_kept(serve, connect, meter, request_for):
    server = serve(Reply(status=503, headers={"Retry-After": "1"}), "Fine.")
    reply = await connect(server, retries=1).ask("main", request_for(), meter=meter)
    assert reply.latency_s >= 1


async def test_an_unknown_provider_is_a_wrong_setting(connect, meter, request_for):
    gateway = connect(model="bogus/tiny", price=None)
    error = await failure(gateway, request_for(), meter)
    assert isinstance(error, ConfigurationError)
    assert "knows no provider" in str(error)
    assert meter.released == 1


async def test_a_vendor_without_a_key_is_a_wrong_setting(connect, meter, request_for, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    error = await failure(connect(model="openai/gpt-5"), request_for(), meter)
    assert isinstance(error, ConfigurationError)
    assert "Set api_key_env" in str(error)


async def test_an_address_that_is_none_is_a_wrong_setting(connect, meter, request_for):
    error = await failure(connect(api_base="ftp://somewhere/v1"), request_for(), meter)
    assert isinstance(error, ConfigurationError)
    assert "Correct api_base" in str(error)


async def test_a_password_in_the_address_is_not_repeated(connect, meter, request_for):
    gateway = connect(api_base="http://me:hunter2@127.0.0.1:9/v1")
    error = await failure(gateway, request_for(), meter)
    assert "127.0.0.1:9" in str(error)
    assert "hunter2" not in "".join(traceback.format_exception(error))


async def test_what_the_caller_is_handling_does_not_explain_our_failure(
    serve, connect, meter, request_for
):
    gateway = connect(serve(Reply(body=b"{}")))
    with OpenAIServer() as gone:
        dead = connect(gone)
    try:
        await dead.ask("main", request_for(), meter=meter)
    except ModelUnavailable:
        error = await failure(gateway, request_for(), meter)
    assert isinstance(error, BadModelOutput)
