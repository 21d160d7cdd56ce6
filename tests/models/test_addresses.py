"""Where the endpoints of registered agents may be: by rule, and over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectorError
from openai_server import OpenAIServer, Reply

from callboard.errors import ConfigurationError, InvalidInput
from callboard.model_settings import DeploymentSettings, ModelSettings
from callboard.models.addresses import AddressRefused, AddressRule, is_public
from callboard.models.direct import new_session
from callboard.models.gateway import Gateway
from callboard.models.prices import PriceBook


def endpoint(api_base: str | None, **settings: Any) -> ModelSettings:
    return ModelSettings(**{"model": "openai/own", "api_base": api_base, "retries": 0, **settings})


# What stands in the address -------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "https://api.example.com:8443",
        "https://API.Example.com./v1",
        "https://93.184.216.34/v1",
        "https://[2606:2800:220:1:248:1893:25c8:1946]/v1",
    ],
)
def test_public_addresses_over_https_are_allowed(url: str) -> None:
    AddressRule().check(endpoint(url))


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/v1",
        "ftp://api.example.com",
        "file:///etc/passwd",
        "api.example.com/v1",
        "https://",
        "https://./",
        "https://user:word@api.example.com",
        "https://api.example.com@127.0.0.1/",
        "https://api.example.com\\@127.0.0.1/",
        "https://api.example.com/v1?x=",
        "https://api.example.com/v1#x",
        "https://api.example.com /v1",
        "https://api.example\t.com",
        "https://api.example.com%2e/",
        "https://[fe80::1%25eth0]/",
        "https://①②⑦.⓪.⓪.①/",
        "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
        "https://localhost/v1",
        "https://LOCALHOST./v1",
        "https://a.localhost",
        "https://metadata.google.internal/",
        "https://printer.local",
        "https://redis",
        "https://127.0.0.1/v1",
        "https://127.0.0.1./v1",
        "https://127.8.9.1",
        "https://0.0.0.0:8000",
        "https://2130706433",
        "https://0x7f000001/",
        "https://0x7f.0.0.1",
        "https://0177.0.0.1",
        "https://127.1",
        "https://10.1.2.3",
        "https://172.16.0.1",
        "https://192.168.1.1",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1",
        "https://100.100.100.200",
        "https://168.63.129.16",
        "https://192.0.0.192",
        "https://224.0.0.1",
        "https://255.255.255.255",
        "https://[::1]",
        "https://[::]",
        "https://[::ffff:127.0.0.1]",
        "https://[::ffff:7f00:1]",
        "https://[::127.0.0.1]",
        "https://[64:ff9b::7f00:1]",
        "https://[2002:7f00:1::]",
        "https://[2001:0:7f00:1::]",
        "https://[fe80::1]",
        "https://[fd00:ec2::254]",
        "https://[ff02::1]",
        "https://[127.0.0.1]",
        "https://[:::1]",
    ],
)
def test_what_is_not_public_is_refused_however_it_is_written(url: str) -> None:
    with pytest.raises(InvalidInput, match="endpoint"):
        AddressRule().check(endpoint(url))


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        ("gpu.lan", "http://gpu.lan:8000/v1"),
        ("gpu.lan:8000", "http://gpu.lan:8000/v1"),
        ("*.gpu.lan", "http://one.gpu.lan/v1"),
        ("LocalHost", "http://localhost:8000/v1"),
        ("10.1.2.3", "http://10.1.2.3:8000/v1"),
        ("10.1.2.3:8000", "http://10.1.2.3:8000/v1"),
        ("10.0.0.0/8", "http://10.1.2.3:8000/v1"),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]/v1"),
        ("fd00::/8", "http://[fd00::1]:8000/v1"),
        ("[fd00::1]:8000", "http://[fd00::1]:8000/v1"),
        ("10.0.0.0/8", "https://gpu.internal/v1"),  # where it leads is seen when it is called
    ],
)
def test_an_operator_may_allow_more(allow: str, url: str) -> None:
    AddressRule(allow=[allow]).check(endpoint(url))


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        ("gpu.lan:8000", "http://gpu.lan:22/v1"),
        ("*.gpu.lan", "http://gpu.lan/v1"),
        ("*.gpu.lan", "http://evilgpu.lan/v1"),
        ("gpu.lan", "http://gpu.lan.evil.example/v1"),
        ("10.0.0.0/8", "http://11.1.2.3/v1"),
        ("10.1.2.3:8000", "http://10.1.2.3:22/v1"),
    ],
)
def test_what_is_allowed_goes_no_further_than_it_says(allow: str, url: str) -> None:
    with pytest.raises(InvalidInput, match="have the operator add it to allow"):
        AddressRule(allow=[allow]).check(endpoint(url))


def test_an_operator_may_allow_nothing_else_than_a_list() -> None:
    rule = AddressRule(public=False, allow=["*.example.com"])
    rule.check(endpoint("https://api.example.com/v1"))
    for url in ("https://api.example.org/v1", "https://93.184.216.34/v1"):
        with pytest.raises(InvalidInput, match="is not allowed"):
            rule.check(endpoint(url))


@pytest.mark.parametrize("entry", ["*", "http://gpu.lan", "10.0.0.0/99", "a b", ""])
def test_an_entry_that_is_no_host_is_refused_in_words(entry: str) -> None:
    with pytest.raises(ConfigurationError, match=r"endpoints.allow holds .* no host or network"):
        AddressRule(allow=[entry])


def test_every_deployment_of_an_endpoint_is_checked() -> None:
    hidden = DeploymentSettings(name="b", api_base="https://169.254.169.254")
    good = DeploymentSettings(name="a")
    with pytest.raises(InvalidInput, match="link-local"):
        AddressRule().check(endpoint("https://api.example.com", deployments=(good, hidden)))
    library = DeploymentSettings(name="b", model="huggingface/https://127.0.0.1")
    with pytest.raises(InvalidInput, match="where the provider's library chooses"):
        AddressRule().check(endpoint("https://api.example.com", deployments=(good, library)))


def test_an_endpoint_whose_address_a_library_chooses_is_refused() -> None:
    for model in ("ollama/llama3", "huggingface/https://127.0.0.1", "azure/gpt", "sagemaker/x"):
        with pytest.raises(InvalidInput, match="Set api_base, and begin the model with"):
            AddressRule().check(endpoint("https://api.example.com", model=model))
    with pytest.raises(InvalidInput, match="Set api_base"):
        AddressRule().check(endpoint(None))


def test_a_key_is_sent_only_to_the_host_that_it_is_for() -> None:
    rule = AddressRule(keys={"TEAM_KEY": "api.example.com"})
    rule.check(endpoint("https://api.example.com/v1", api_key_env="TEAM_KEY"))
    for url, key in (
        ("https://evil.example/v1", "TEAM_KEY"),
        ("https://api.example.com/v1", "OPENAI_API_KEY"),
    ):
        with pytest.raises(InvalidInput, match=f"api_key_env '{key}' is not a key for"):
            rule.check(endpoint(url, api_key_env=key))


def test_public_is_what_the_registries_say() -> None:
    assert is_public(ip_address("8.8.8.8"))
    assert is_public(ip_address("2606:4700::1111"))
    assert not is_public(ip_address("198.18.0.1"))
    assert not is_public(ip_address("2001:db8::1"))


# What a name leads to -------------------------------------------------------------------------


class Names:
    """A resolver whose answers are known: one entry per question, the last one ever after."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::ffff:169.254.169.254"], ["fe80::1%2"]],
)
async def test_a_name_that_leads_inside_is_refused(found: list[str]) -> None:
    rule = AddressRule(resolve=Names(found))
    with pytest.raises(AddressRefused, match=f"'evil.example' leads to {found[-1]}"):
        await rule.addresses("evil.example", 443)


async def test_a_name_is_checked_anew_whenever_it_is_looked_up() -> None:
    """DNS rebinding: public for whoever checks, and this machine for whoever connects."""
    names = Names(["93.184.216.34"], ["127.0.0.1"])
    rule = AddressRule(resolve=names)
    assert await rule.addresses("evil.example", 443) == ["93.184.216.34"]
    with pytest.raises(AddressRefused, match="loopback"):
        await rule.addresses("evil.example", 443)


async def test_names_lead_where_the_operator_allows() -> None:
    inside = Names(["10.1.2.3"])
    assert await AddressRule(allow=["gpu.lan"], resolve=inside).addresses("gpu.lan.", 80)
    assert await AddressRule(allow=["10.0.0.0/8"], resolve=inside).addresses("any.example", 443)
    assert await AddressRule(allow=["10.1.2.3:443"], resolve=inside).addresses("any.example", 443)
    for allow, port in (("gpu.lan:8000", 80), ("10.1.2.3:443", 80)):
        with pytest.raises(AddressRefused):
            await AddressRule(allow=[allow], resolve=inside).addresses("gpu.lan", port)
    outside = AddressRule(public=False, allow=["10.0.0.0/8"], resolve=Names(["93.184.216.34"]))
    with pytest.raises(AddressRefused, match="not allowed"):
        await outside.addresses("any.example", 443)


# Over real connections ------------------------------------------------------------------------


@pytest.fixture
async def ruled(tmp_path: Path) -> AsyncIterator[Callable[[AddressRule], Gateway]]:
    """Make gateways whose agents' endpoints are under a rule."""
    gateways = []

    def make(rule: AddressRule) -> Gateway:
        gateway = Gateway({}, prices=PriceBook(), cache_dir=tmp_path, addresses=rule)
        gateways.append(gateway)
        return gateway

    yield make
    for gateway in gateways:
        await gateway.close()


async def test_what_was_resolved_and_checked_is_what_is_connected_to(
    ruled, serve, meter, request_for
) -> None:
    server = serve("Fine.")
    port = server.url.split(":")[2].split("/")[0]
    names = Names(["127.0.0.1"])
    gateway = ruled(AddressRule(allow=[f"gpu.lan:{port}"], resolve=names))
    own = endpoint(f"http://gpu.lan:{port}/v1")
    for _ in range(2):
        reply = await gateway.ask(own, request_for(), meter=meter)
        assert reply.text == "Fine."
    assert names.asked == [("gpu.lan", int(port))]  # the connection is kept
    assert server.headers[0]["host"] == f"gpu.lan:{port}"
    assert "authorization" not in server.headers[0]


async def test_a_name_that_leads_elsewhere_later_is_not_followed(
    ruled, serve, meter, request_for
) -> None:
    """DNS rebinding over real connections: allowed at the first, elsewhere at the second."""
    server = serve(Reply(headers={"Connection": "close"}, status=500))
    port = server.url.split(":")[2].split("/")[0]
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    rule = AddressRule(allow=["127.0.0.1"], resolve=names)
    url = f"http://evil.example:{port}/v1/chat/completions"
    async with new_session(rule) as session:
        assert (await session.post(url, json={})).status == 500
        with pytest.raises(ClientConnectorError) as told:
            await session.post(url, json={})
        assert isinstance(told.value.os_error, AddressRefused)
    assert len(server.requests) == 1
    own = endpoint(f"https://evil.example:{port}/v1", retries=2)
    with pytest.raises(ConfigurationError, match=r"leads to 127\.0\.0\.2, which is .*loopback"):
        await ruled(rule).ask(own, request_for(), meter=meter)
    assert len(names.asked) == 3  # a refusal is not tried again
    assert server.connections == 1
    assert meter.reserved
    assert (meter.open, meter.released) == (0, 1)


async def test_a_redirect_is_not_followed(ruled, serve, meter, request_for) -> None:
    inner = serve("A secret.")
    outer = serve(
        Reply(status=307, headers={"Location": f"{inner.url}/chat/completions"}, body=b"")
    )
    port = outer.url.split(":")[2].split("/")[0]
    gateway = ruled(AddressRule(allow=[f"127.0.0.1:{port}"]))
    with pytest.raises(InvalidInput, match="307"):
        await gateway.ask(endpoint(outer.url), request_for(), meter=meter)
    assert len(outer.requests) == 1
    assert inner.requests == []


async def test_an_endpoint_that_is_refused_is_never_called(
    ruled, serve, meter, request_for
) -> None:
    server = serve("A secret.")
    gateway = ruled(AddressRule())
    with pytest.raises(InvalidInput, match=r"its endpoint .* is asked without encryption"):
        await gateway.ask(endpoint(server.url), request_for(), meter=meter)
    assert server.requests == []
    assert meter.open == 0


async def test_only_the_key_of_the_endpoint_is_sent(
    ruled, serve, meter, request_for, monkeypatch
) -> None:
    server = serve("Fine.")
    monkeypatch.setenv("TEAM_KEY", "team-secret")
    monkeypatch.setenv("OPENAI_API_KEY", "the-operators")
    gateway = ruled(AddressRule(allow=["127.0.0.1"], keys={"TEAM_KEY": "127.0.0.1"}))
    await gateway.ask(endpoint(server.url, api_key_env="TEAM_KEY"), request_for(), meter=meter)
    assert server.headers[0]["authorization"] == "Bearer team-secret"
    with pytest.raises(InvalidInput, match=r"is not a key for '127\.0\.0\.1'"):
        await gateway.ask(
            endpoint(server.url, api_key_env="OPENAI_API_KEY"), request_for(), meter=meter
        )
    assert len(server.requests) == 1


async def test_what_fails_under_a_rule_is_not_probed(ruled, serve, meter, request_for) -> None:
    server = serve(Reply(status=500))
    gateway = ruled(AddressRule(allow=["127.0.0.1"]))
    own = endpoint(server.url, failures=1, cooldown_s=0.01)
    with pytest.raises(Exception, match="500"):
        await gateway.ask(own, request_for(), meter=meter)
    await asyncio.sleep(0.1)
    assert server.probes == []


async def test_models_of_the_settings_are_the_operators_and_not_checked(
    tmp_path, serve, meter, request_for
) -> None:
    server: OpenAIServer = serve("Fine.")
    main = endpoint(server.url, direct=True)
    gateway = Gateway(
        {"main": main}, prices=PriceBook(), cache_dir=tmp_path, addresses=AddressRule()
    )
    try:
        assert (await gateway.ask("main", request_for(), meter=meter)).text == "Fine."
    finally:
        await gateway.close()
