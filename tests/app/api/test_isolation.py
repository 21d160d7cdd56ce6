"""Nobody reaches what is another's: over tenants, users, keys and every endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import schemathesis
from api_service import WEATHER, Service, wait_until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

OPEN = ("/health", "/ready")
ROLES = ("ask", "agents", "runs", "admin")


@dataclass
class Owned:
    """What one user of one tenant has, all of it with a word that stands nowhere else.

    The agent is the tenant's, and has a word of its own.
    """

    tenant: str
    user: str
    word: str
    key: str
    agent_word: str
    ids: dict[str, str] = field(default_factory=dict)


def furnish(served: Service, tenant: str, user: str, word: str) -> Owned:
    """Let a user ask, remember, judge and register, with `word` in all of it."""
    key = served.key(user, tenant=tenant, roles=ROLES)
    owned = Owned(tenant, user, word, key, word[::-1])
    with served.client(owned.key) as client:
        agent = {**WEATHER, "name": f"agent-{word[::-1]}", "description": f"Tells {word[::-1]}."}
        assert client.post("/v1/agents", json=agent).status_code == 201
        body = {
            "query": f"Will it rain, {word}?",
            "session": f"s-{word}",
            "agents": [agent["name"]],
        }
        run_id = client.post("/v1/runs", json=body).json()["id"]
        wait_until(lambda: client.get(f"/v1/runs/{run_id}").json()["status"] == "done")
        said = {"score": 1, "comment": word}
        feedback = client.post(f"/v1/runs/{run_id}/feedback", json=said).json()["id"]
        (note,) = client.post("/v1/memory", json={"text": f"Note of {word}."}).json()["ids"]
        other = client.post("/v1/keys", json={"user": f"u-{word}", "name": word}).json()
        owned.ids = {
            "run_id": run_id,
            "feedback_id": feedback,
            "id_": note,
            "session": body["session"],
            "name": agent["name"],
            "key_id": other["id"],
            "model": f"callboard/{agent['name']}",
            "user": "nobody-at-all",
        }
    return owned


def everything(served: Service, owned: Owned) -> Any:
    """Return all that the owner sees of what is theirs."""
    ids = owned.ids
    with served.client(owned.key) as client:
        paths = (
            f"/v1/agents/{ids['name']}",
            f"/v1/agents/{ids['name']}/versions",
            f"/v1/runs/{ids['run_id']}",
            "/v1/feedback",
            f"/v1/memory/{ids['id_']}",
            "/v1/sessions",
        )
        return [client.get(path).json() for path in paths]


@pytest.fixture(scope="module")
def world(served: Service) -> dict[str, Owned]:
    """Return three owners: two users of one tenant, and one of another."""
    return {
        "ann": furnish(served, "north", "ann", "quokka"),
        "bob": furnish(served, "north", "bob", "axolotl"),
        "ann of south": furnish(served, "south", "ann", "pangolin"),
    }


@pytest.fixture(scope="module")
def endpoints(served: Service) -> list[tuple[str, str]]:
    with served.client(served.key()) as client:
        paths = client.get("/openapi.json").json()["paths"]
    return [
        (method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if path not in OPEN
    ]


BODIES: dict[str, Any] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Will it rain?"}]},
    "/v1/route": {"query": "Will it rain?"},
    "/v1/runs": {"query": "Will it rain?"},
    "/v1/runs/{run_id}/replay": {},
    "/v1/runs/{run_id}/feedback": {"score": -1, "comment": "mine"},
    "/v1/memory": {"text": "A note."},
    "/v1/memory/{id_}": {"text": "Changed."},
    "/v1/sessions/{session}": {"title": "Changed"},
    "/v1/keys": {"user": "mallory"},
    "/v1/keys/{key_id}/rotate": {},
}


def request(client: httpx.Client, method: str, path: str, ids: dict[str, str], **query: Any) -> Any:
    filled = path.replace("{model:path}", "{model}").format(**ids)
    body = BODIES.get(path)
    if path in ("/v1/agents", "/v1/agents/{name}"):
        body = {**WEATHER, "name": "intruder" if path == "/v1/agents" else ids["name"]}
    return client.request(
        method, filled, json=body if method in ("POST", "PUT", "PATCH") else None, params=query
    )


def told_beyond(answer: httpx.Response, ids: dict[str, str]) -> str:
    """Return an answer, less what the request named itself, which an error may repeat."""
    text = answer.text
    if answer.status_code >= 400:
        for id_ in sorted(ids.values(), key=len, reverse=True):
            text = text.replace(id_, "")
    return text


def test_no_endpoint_gives_or_changes_what_is_another_tenants(
    served: Service, world: dict[str, Owned], endpoints: list[tuple[str, str]]
) -> None:
    owner = world["ann"]
    before = everything(served, owner)
    # The same user name in another tenant, with every role.
    with served.client(served.key("ann", tenant="west", roles=ROLES)) as client:
        for method, path in endpoints:
            for query in ({}, {"all_users": True}, {"user": "ann"}, {"shared": True}):
                if path in ("/v1/agents", "/v1/agents/{name}", "/v1/changes") and method != "GET":
                    continue  # these make something of the same name in its own tenant
                answer = request(client, method, path, owner.ids, **query)
                told = told_beyond(answer, owner.ids)
                assert owner.word not in told, (method, path, answer.text)
                assert owner.agent_word not in told, (method, path, answer.text)
                assert answer.status_code < 500, (method, path, answer.text)
        for method, path in (("POST", "/v1/agents"), ("PUT", "/v1/agents/{name}")):
            assert request(client, method, path, owner.ids).status_code in (200, 201)
        assert request(client, "DELETE", "/v1/agents/{name}", owner.ids).status_code == 204
    assert everything(served, owner) == before


def test_no_endpoint_gives_or_changes_what_is_another_users(
    served: Service, world: dict[str, Owned], endpoints: list[tuple[str, str]]
) -> None:
    owner = world["ann"]
    before = everything(served, owner)
    with served.client(served.key("mallory", tenant="north")) as client:
        for method, path in endpoints:
            for query in ({}, {"user": "ann"}, {"user": "../ann"}, {"all_users": True}):
                answer = request(client, method, path, owner.ids, **query)
                assert owner.word not in told_beyond(answer, owner.ids), (method, path, answer.text)
                assert answer.status_code < 500, (method, path, answer.text)
    assert everything(served, owner) == before


def test_a_key_for_some_agents_never_sees_the_others(
    served: Service, world: dict[str, Owned], endpoints: list[tuple[str, str]]
) -> None:
    mine, others = world["ann"], world["bob"]
    own, hidden = mine.ids["name"], others.ids["name"]
    key = served.key("lim", tenant="north", roles=["ask", "agents"], agents=[own])
    with served.client(key) as client:
        for method, path in endpoints:
            if (method, path) == ("POST", "/v1/agents"):
                continue
            answer = request(client, method, path, others.ids)
            assert others.agent_word not in told_beyond(answer, others.ids), (method, path)
        assert request(client, "POST", "/v1/agents", mine.ids).status_code == 404
        for body in ({}, {"agents": [hidden]}, {"exclude": [own]}):
            asked = {"query": f"Tell {others.agent_word}", **body}
            route, run = client.post("/v1/route", json=asked), client.post("/v1/runs", json=asked)
            if "agents" in body:
                assert (route.status_code, run.status_code) == (404, 404)
                continue
            assert hidden not in route.text
            assert hidden not in client.get(f"/v1/runs/{run.json()['id']}/events").text
    with served.client(others.key) as client:
        assert client.get(f"/v1/agents/{hidden}").status_code == 200


names = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=20
).filter(lambda name: name.strip() not in ("", "*") and name.isprintable())


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    owner=st.tuples(names, names),
    other=st.tuples(names, names),
    below=st.one_of(st.none(), names, st.just("*"), st.just("../")),
)
def test_memory_is_seen_by_its_tenant_and_user_alone(
    served: Service, owner: tuple[str, str], other: tuple[str, str], below: str | None
) -> None:
    with served.client(served.key(owner[1], tenant=owner[0])) as client:
        (id_,) = client.post("/v1/memory", json={"text": "A word: quetzal."}).json()["ids"]
    query = {} if below is None else {"user": below}
    same = (owner[0], owner[1].strip()) == (other[0], other[1].strip()) and below is None
    with served.client(served.key(other[1], tenant=other[0])) as client:
        seen = client.get(f"/v1/memory/{id_}", params=query)
        listed = client.get("/v1/memory/search", params={**query, "query": "quetzal"})
        assert seen.status_code == (200 if same else 404)
        found = {one["id"] for one in listed.json()["memory"]}
        assert (id_ in found) == same


@pytest.fixture(scope="module")
def schema(served: Service) -> Any:
    """Return the OpenAPI document as schemathesis reads it."""
    key = served.key("fuzz", tenant="fuzz", roles=ROLES)
    headers = {"Authorization": f"Bearer {key}"}
    return schemathesis.openapi.from_url(f"{served.url}/openapi.json", headers=headers)


@pytest.mark.timeout(600)
# The service in this process draws at random too, which looks like the doing of strategies.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
def test_whatever_is_sent_is_no_server_error(served: Service, schema: Any) -> None:
    key = served.key("fuzz", tenant="fuzz", roles=ROLES)
    headers = {"Authorization": f"Bearer {key}"}
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=12,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            nonlocal tried
            tried += 1
            answer = case.call(headers=headers, timeout=120)
            # 502: the turn failed in words.
            assert answer.status_code in (502, *range(200, 500)), (
                case.method,
                case.path,
                answer.text,
            )

        check()
    assert tried > 200
