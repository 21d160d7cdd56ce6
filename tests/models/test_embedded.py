"""The embedded model: its weights are checked, its errors are clear, and it answers over HTTP."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from callboard.config import Settings
from callboard.errors import ConfigurationError, InvalidInput
from callboard.model_settings import EMBEDDED_MODEL
from callboard.models.check import check_models
from callboard.models.embedded import EmbeddedServer
from callboard.models.gateway import Gateway
from callboard.models.prices import PriceBook
from callboard.models.weights import Weights

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

NAME = "smollm2-135m"


def skip_without_xllamacpp() -> None:
    """Skip without importing it: our server sets what its threads read when it is loaded."""
    if find_spec("xllamacpp") is None:
        pytest.skip("needs the extra 'local': pip install 'callboard[local]'")


@pytest.fixture(scope="module")
def cache() -> Path:
    """The cache of the user who runs the tests, with weights that were pulled before."""
    skip_without_xllamacpp()
    folder = Settings().cache_dir
    try:
        Weights(folder).path(NAME)
    except ConfigurationError as error:
        pytest.skip(f"{error}")
    return folder


@pytest.fixture
async def gateway(cache):
    made = Gateway({"main": EMBEDDED_MODEL}, prices=PriceBook(), cache_dir=cache)
    yield made
    await made.close()


@pytest.mark.embedded
async def test_the_embedded_model_answers_streams_and_is_free(gateway, meter, request_for):
    request = request_for("What is the capital of France?", max_tokens=8)
    whole = await gateway.ask("main", request, meter=meter)
    pieces: list[str] = []
    streamed = await gateway.ask("main", request, meter=meter, on_text=pieces.append)
    assert "".join(pieces) == streamed.text
    assert whole.text
    for reply in (whole, streamed):
        assert reply.model == "embedded/smollm2-135m"
        assert reply.usage.input_tokens > 10
        assert 0 < reply.usage.output_tokens <= 8
        assert reply.usage.cost_usd == 0


@pytest.mark.embedded
async def test_the_embedded_model_keeps_to_a_schema(gateway, meter, request_for):
    schema = {
        "type": "object",
        "properties": {"agent": {"enum": ["billing", "weather"]}},
        "required": ["agent"],
        "additionalProperties": False,
    }
    request = request_for("I was charged twice.", json_schema=schema, max_tokens=30)
    text = (await gateway.ask("main", request, meter=meter)).text
    assert '"agent"' in text
    assert "billing" in text or "weather" in text


@pytest.mark.embedded
async def test_first_calls_at_once_start_one_server(gateway, meter, request_for):
    request = request_for("Hi", max_tokens=2)
    await asyncio.gather(*(gateway.ask("main", request, meter=meter) for _ in range(4)))
    assert len(EmbeddedServer._shared) == 1
    await gateway.close()
    assert EmbeddedServer._shared == {}


@pytest.mark.embedded
async def test_a_prompt_beyond_the_context_is_refused(gateway, meter, request_for):
    with pytest.raises(InvalidInput, match="Send less text"):
        await gateway.ask("main", request_for("word " * 6000), meter=meter)
    assert meter.released == 1


@pytest.mark.embedded
async def test_check_finds_the_embedded_model_working(gateway, meter):
    (check,) = await check_models(gateway, meter)
    assert check.ok, check.error


@pytest.mark.embedded
def test_only_who_knows_the_key_is_served(cache):
    import httpx

    server = EmbeddedServer(Weights(cache).path(NAME), context_tokens=512)
    with ThreadPoolExecutor() as threads:
        addresses = set(threads.map(lambda _: server.start(), range(3)))
    (address,) = addresses
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
    assert address.startswith("http://127.0.0.1:")
    assert httpx.post(f"{address}/chat/completions", json=body).status_code == 401
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.post(f"{address}/chat/completions", json=body)


def test_without_the_extra_the_fix_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'callboard\[local\]'"):
        EmbeddedServer(tmp_path / "any.gguf").start()


def test_a_file_that_is_no_model_is_a_clear_error(tmp_path):
    skip_without_xllamacpp()
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(range(256)) * 64)
    with pytest.raises(ConfigurationError, match="callboard models pull"):
        EmbeddedServer(broken).start()


async def test_damaged_weights_are_found_before_they_are_loaded(tmp_path, meter, request_for):
    path = tmp_path / "weights" / Weights(tmp_path).known[NAME].file
    path.parent.mkdir()
    path.write_bytes(b"GGUF not really")
    gateway = Gateway({"main": EMBEDDED_MODEL}, prices=PriceBook(), cache_dir=tmp_path)
    with pytest.raises(ConfigurationError, match=r"damaged\. .* 'callboard models pull'"):
        await gateway.ask("main", request_for(), meter=meter)
