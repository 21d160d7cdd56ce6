"""Several deployments of one model, over real servers: who is asked, and what a failure does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Reply

from callboard.errors import BudgetExceeded, InvalidInput, ModelUnavailable, UnknownName
from callboard.model_settings import DeploymentSettings, ModelSettings, PriceSettings
from callboard.models.gateway import Gateway
from callboard.models.prices import PriceBook

from .conftest import PRICE, RecordingMeter

DOWN = Reply(status=500)
COOLDOWN_S = 0.4


@pytest.fixture
async def gateway_of(tmp_path: Path) -> AsyncIterator[Callable[..., Gateway]]:
    """Make a gateway of the models that are given."""
    gateways = []

    def make(**models: ModelSettings) -> Gateway:
        gateway = Gateway(models, prices=PriceBook(), cache_dir=tmp_path)
        gateways.append(gateway)
        return gateway

    yield make
    for gateway in gateways:
        await gateway.close()


def model_on(*servers: OpenAIServer, **more: Any) -> ModelSettings:
    """Return a model with a deployment at each server: a, b, ..."""
    values = {"model": "hosted_vllm/tiny", "retries": 2, "cooldown_s": COOLDOWN_S, "price": PRICE}
    return ModelSettings(
        **{**values, **more},
        deployments=tuple(
            DeploymentSettings(name=name, api_base=server.url)
            for name, server in zip("abc", servers, strict=False)
        ),
    )


async def ask_many(gateway: Gateway, request: Any, meter: Any, count: int) -> Counter[str]:
    replies = [await gateway.ask("main", request, meter=meter) for _ in range(count)]
    return Counter(reply.deployment for reply in replies)


@pytest.mark.parametrize("placement", ["least_loaded", "round_robin"])
async def test_deployments_share_the_calls(placement, serve, gateway_of, meter, request_for):
    servers = serve("Fine."), serve("Fine.")
    gateway = gateway_of(main=model_on(*servers, placement=placement))
    assert await ask_many(gateway, request_for(), meter, 8) == {"a": 4, "b": 4}


async def test_the_weight_says_how_many(serve, gateway_of, meter, request_for):
    servers = serve("Fine."), serve("Fine.")
    model = model_on(*servers, placement="round_robin")
    heavy = DeploymentSettings(name="a", api_base=servers[0].url, weight=3)
    gateway = gateway_of(
        main=model.model_copy(update={"deployments": (heavy, model.deployments[1])})
    )
    assert await ask_many(gateway, request_for(), meter, 8) == {"a": 6, "b": 2}


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_failure_is_followed_by_the_other_deployment_at_once(
    streamed, serve, gateway_of, meter, request_for
):
    bad, good = serve(DOWN), serve("Fine.")
    gateway = gateway_of(main=model_on(bad, good))
    for _ in range(6):
        pieces: list[str] = []
        reply = await gateway.ask(
            "main", request_for(), meter=meter, on_text=pieces.append if streamed else None
        )
        assert (reply.text, reply.deployment) == ("Fine.", "b")
    assert len(bad.requests) == 3  # then it was left alone
    assert meter.open == 0
    assert meter.released == 3


async def test_a_wrong_request_is_not_sent_to_the_other_one(serve, gateway_of, meter, request_for):
    servers = serve(Reply(status=400)), serve(Reply(status=400))
    gateway = gateway_of(main=model_on(*servers))
    for _ in range(4):
        with pytest.raises(InvalidInput):
            await gateway.ask("main", request_for(), meter=meter)
    assert sum(len(server.requests) for server in servers) == 4
    assert {one.breaker.health for one in gateway.pool("main").deployments} == {"closed"}


async def test_text_that_was_handed_over_is_not_said_twice(serve, gateway_of, meter, request_for):
    breaks, good = serve(Reply(text="one two three", cut_after=2)), serve("Fine.")
    gateway = gateway_of(main=model_on(breaks, good, placement="round_robin"))
    pieces: list[str] = []
    with pytest.raises(ModelUnavailable, match="broke off"):
        await gateway.ask("main", request_for(), meter=meter, on_text=pieces.append)
    assert "".join(pieces) == "one two"
    assert good.requests == []


async def test_a_dead_deployment_is_left_alone_and_noticed_when_it_is_back(
    serve, gateway_of, meter, request_for
):
    server = serve(DOWN)
    gateway = gateway_of(main=model_on(server, retries=0))
    for _ in range(3):
        with pytest.raises(ModelUnavailable, match="failed"):
            await gateway.ask("main", request_for(), meter=meter)
    # For three cooldowns somebody asks all the time.
    loop = asyncio.get_running_loop()
    until = loop.time() + 3 * COOLDOWN_S
    told = []
    while loop.time() < until:
        with pytest.raises(ModelUnavailable) as caught:
            await gateway.ask("main", request_for(), meter=meter)
        told.append(str(caught.value))
        await asyncio.sleep(0.01)
    assert any("is left alone for" in message and "scripted error" in message for message in told)
    assert len(server.requests) + len(server.probes) - 3 <= 2 * 3
    server.script("Back.")
    await asyncio.sleep(COOLDOWN_S * 1.5)
    assert (await gateway.ask("main", request_for(), meter=meter)).text == "Back."
    assert gateway.pool("main").deployments[0].breaker.health == "closed"


async def test_a_server_that_is_gone_is_probed_and_not_called(
    serve, gateway_of, meter, request_for
):
    gone, good = OpenAIServer(), serve("Fine.")
    url = gone.url
    gone._server.server_close()
    model = model_on(good, retries=1)
    dead = DeploymentSettings(name="dead", api_base=url)
    gateway = gateway_of(main=model.model_copy(update={"deployments": (dead, *model.deployments)}))
    assert await ask_many(gateway, request_for(), meter, 12) == {"a": 12}
    (first, _) = gateway.pool("main").deployments
    await asyncio.sleep(COOLDOWN_S * 2.5)
    assert first.breaker.health == "open"  # each probe that fails lets it rest again


async def test_the_fallback_is_asked_when_all_deployments_fail(
    serve, gateway_of, meter, request_for
):
    bad, good = serve(DOWN), serve("From the small one.")
    gateway = gateway_of(
        main=model_on(bad, retries=1, fallback="small"), small=model_on(good, model="openai/small")
    )
    reply = await gateway.ask("main", request_for(), meter=meter)
    assert (reply.text, reply.model, reply.attempts) == ("From the small one.", "openai/small", 3)
    assert meter.models == ["main", "main", "small"]


async def test_the_fallback_has_to_fit_into_what_is_left(serve, gateway_of, request_for):
    dear = PriceSettings(input_per_million=Decimal(1000), output_per_million=Decimal(1000))
    good = serve("Fine.")
    gateway = gateway_of(
        main=model_on(serve(DOWN), retries=0, fallback="dear"), dear=model_on(good, price=dear)
    )
    meter = RecordingMeter(Decimal("0.001"))
    with pytest.raises(BudgetExceeded, match="dear"):
        await gateway.ask("main", request_for(), meter=meter)
    assert good.requests == []
    assert meter.open == 0


async def test_calls_wait_for_their_turn_at_a_limit(serve, gateway_of, meter, request_for):
    servers = (
        serve(Reply(delay_s=0.05)),
        serve(Reply(delay_s=0.05)),
    )
    gateway = gateway_of(main=model_on(*servers, requests_in_flight=2))
    await asyncio.gather(*(gateway.ask("main", request_for(), meter=meter) for _ in range(20)))
    assert [server.peak for server in servers] == [2, 2]
    assert sum(len(server.requests) for server in servers) == 20


async def test_a_wait_that_a_deployment_asks_for_sends_calls_to_the_other(
    serve, gateway_of, meter, request_for
):
    busy = serve(Reply(status=429, headers={"Retry-After": "30"}))
    gateway = gateway_of(main=model_on(busy, serve("Fine.")))
    assert await ask_many(gateway, request_for(), meter, 6) == {"b": 6}
    assert len(busy.requests) == 1
    assert gateway.pool("main").deployments[0].breaker.health == "closed"


async def test_only_those_are_asked_that_can(serve, gateway_of, meter, request_for):
    servers = serve("Fine."), serve("Fine.")
    model = model_on(*servers)
    plain = DeploymentSettings(name="a", api_base=servers[0].url, json_schema=False)
    short = DeploymentSettings(name="b", api_base=servers[1].url, context_tokens=512)
    gateway = gateway_of(main=model.model_copy(update={"deployments": (plain, short)}))
    form = request_for(json_schema={"type": "object"})
    assert await ask_many(gateway, form, meter, 4) == {"b": 4}
    assert await ask_many(gateway, request_for("long " * 2000), meter, 4) == {"a": 4}


async def test_a_deployment_is_added_and_drained_while_calls_go_on(
    serve, gateway_of, meter, request_for
):
    slow, new = serve(Reply(delay_s=0.2)), serve("New.")
    gateway = gateway_of(main=model_on(slow))
    pool = gateway.pool("main")
    going = asyncio.create_task(gateway.ask("main", request_for(), meter=meter))
    await asyncio.sleep(0.05)
    gateway.add("main", DeploymentSettings(name="new", api_base=new.url))
    with pytest.raises(InvalidInput, match="has a deployment 'new' already"):
        gateway.add("main", DeploymentSettings(name="new", api_base=new.url))
    with pytest.raises(UnknownName, match=r"no deployment 'nwe'.*'new'"):
        await pool.drain("nwe")
    draining = asyncio.create_task(pool.drain("a"))
    assert (await gateway.ask("main", request_for(), meter=meter)).text == "New."
    assert (await going).deployment == "a"
    await draining
    assert [one.name for one in pool.deployments] == ["new"]
    await pool.drain("new")
    with pytest.raises(ModelUnavailable, match="no deployment that takes calls"):
        await gateway.ask("main", request_for(), meter=meter)


async def test_adapters_are_models_of_their_own_on_the_same_deployments(
    serve, gateway_of, meter, request_for
):
    server = serve(DOWN, DOWN, "Lawful.")
    main = model_on(server, adapters=("legal",), retries=0, failures=2)
    gateway = gateway_of(**{"main": main, "main:legal": main.adapted("legal")})
    for model in ("main", "main:legal"):
        with pytest.raises(ModelUnavailable):
            await gateway.ask(model, request_for(), meter=meter)
    assert [request["model"] for request in server.requests] == ["tiny", "legal"]
    with pytest.raises(ModelUnavailable, match="left alone"):  # one server, one breaker
        await gateway.ask("main", request_for(), meter=meter)
    assert meter.models == ["main", "main:legal"]


async def test_a_call_that_ends_makes_room_for_an_adapter_of_its_server(
    serve, gateway_of, meter, request_for
):
    server = serve(Reply(text="Fine.", delay_s=0.2))
    main = model_on(server, adapters=("legal",), requests_in_flight=1, timeout_s=5)
    gateway = gateway_of(**{"main": main, "main:legal": main.adapted("legal")})
    models = ("main", "main:legal") * 3
    replies = await asyncio.gather(
        *(gateway.ask(model, request_for(), meter=meter) for model in models)
    )
    assert [reply.text for reply in replies] == ["Fine."] * 6
    assert server.peak == 1


async def test_deployments_are_drained_and_added_with_their_adapters(
    serve, gateway_of, meter, request_for
):
    first, second = serve("First."), serve("Second.")
    main = ModelSettings(
        model="hosted_vllm/base",
        price=PRICE,
        retries=0,
        adapters=("legal",),
        deployments=(DeploymentSettings(name="first", api_base=first.url),),
    )
    gateway = gateway_of(main=main, **{"main:legal": main.adapted("legal")})
    with pytest.raises(InvalidInput, match="is an adapter and has no servers of its own"):
        await gateway.drain("main:legal", "first")
    with pytest.raises(InvalidInput, match="Name 'main'"):
        gateway.add("main:legal", DeploymentSettings(name="second", api_base=second.url))
    gateway.add(
        "main",
        DeploymentSettings(name="second", api_base=second.url, model="hosted_vllm/other"),
    )
    await gateway.drain("main", "first")
    for name, served in (("main", "other"), ("main:legal", "legal")):
        assert [one.name for one in gateway.pool(name).deployments] == ["second"]
        reply = await gateway.ask(name, request_for(), meter=meter)
        assert reply.text == "Second."
        assert second.requests[-1]["model"] == served
    assert first.requests == []


async def test_a_model_whose_name_looks_like_an_adapter_has_a_health_of_its_own(
    serve, gateway_of, meter, request_for
):
    bad, good = serve(DOWN), serve("Fine.")
    models = {"main": model_on(bad, retries=0, failures=1), "main:other": model_on(good)}
    gateway = gateway_of(**models)
    with pytest.raises(ModelUnavailable):
        await gateway.ask("main", request_for(), meter=meter)
    assert (await gateway.ask("main:other", request_for(), meter=meter)).text == "Fine."
