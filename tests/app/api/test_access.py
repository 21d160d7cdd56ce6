"""Keys: who gets in, as whom, and how often."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from api_service import WEATHER, Service, alone, serving

from callboard import InvalidInput, ScriptedModel, Settings
from callboard.config import LimitSettings

Make = Callable[..., httpx.Client]


def routes(served: Service) -> list[tuple[str, str]]:
    """Return the method and path of every endpoint that the OpenAPI document tells."""
    with served.client(served.key()) as client:
        paths = client.get("/openapi.json").json()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


def test_without_a_good_key_nothing_is_answered(served: Service) -> None:
    key = served.key()
    other = key[:-1] + ("a" if key[-1] != "a" else "b")
    for method, path in [*routes(served), ("GET", "/openapi.json"), ("GET", "/nothing/here")]:
        if path in ("/health", "/ready"):
            continue
        for authorization in (None, "Bearer", f"Bearer {other}", f"Basic {key}", key):
            with served.client() as client:
                headers = {} if authorization is None else {"Authorization": authorization}
                answer = client.request(method, path, headers=headers, content=b"{}")
            assert answer.status_code == 401, (method, path, authorization)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "callboard keys create" in answer.json()["error"]["message"]


def test_health_needs_no_key(served: Service) -> None:
    with served.client() as client:
        assert client.get("/health").json()["status"] == "ok"
        assert client.get("/ready").json() == {"status": "ready"}


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("ask", {"GET /v1/agents", "GET /v1/runs"}),
        ("agents", {"PUT /v1/agents/weather", "GET /v1/agents/weather/versions"}),
        ("runs", {"GET /metrics"}),
        ("admin", {"GET /v1/keys", "GET /v1/changes"}),
    ],
)
def test_a_role_opens_what_is_its_own(client_of: Make, role: str, allowed: set[str]) -> None:
    asked = {
        "GET /v1/agents": None,
        "GET /v1/runs": None,
        "PUT /v1/agents/weather": WEATHER,
        "GET /v1/agents/weather/versions": None,
        "GET /metrics": None,
        "GET /v1/keys": None,
        "GET /v1/changes": None,
    }
    client = client_of("ann", roles=[role])
    for what, body in asked.items():
        method, path = what.split()
        status = client.request(method, path, json=body).status_code
        expected = 200 if what in allowed or role == "admin" else 403
        assert status == expected, what


def test_all_users_runs_and_spending_need_the_role(client_of: Make) -> None:
    ann, reader = client_of("ann"), client_of("rita", roles=["ask", "runs"])
    run_id = ann.post("/v1/runs", json={"query": "Will it rain in Bergen?"}).json()["id"]
    for path in ("/v1/runs", "/v1/spend", f"/v1/runs/{run_id}"):
        assert ann.get(path, params={"all_users": True}).status_code == 403
        assert reader.get(path, params={"all_users": True}).status_code == 200
    assert reader.get(f"/v1/runs/{run_id}").status_code == 404
    assert ann.get(f"/v1/runs/{run_id}").status_code == 200


def test_a_key_ends_when_it_is_revoked_rotated_or_expired(served: Service) -> None:
    keys = served.board.scoped("acme").keys

    def status(secret: str) -> int:
        with served.client(secret) as client:
            return client.get("/v1/models").status_code

    made = keys.create_sync("ann")
    assert status(made.secret) == 200
    keys.revoke_sync(made.key.id)
    assert status(made.secret) == 401
    old = keys.create_sync("ann", "the shop", roles=["runs", "ask"], per_minute=1000)
    new = keys.rotate_sync(old.key.id, overlap=timedelta(hours=1))
    assert (new.key.name, new.key.roles, new.key.per_minute) == ("the shop", ("ask", "runs"), 1000)
    assert (status(old.secret), status(new.secret)) == (200, 200)
    newest = keys.rotate_sync(new.key.id)
    assert (status(new.secret), status(newest.secret)) == (401, 200)
    soon = keys.create_sync("ann", expires_at=datetime.now(UTC) + timedelta(seconds=1))
    with pytest.raises(InvalidInput, match="not in the future"):
        keys.create_sync("ann", expires_at=datetime.now(UTC))
    time.sleep(1)
    assert status(soon.secret) == 401
    with pytest.raises(InvalidInput, match="no longer good"):
        keys.rotate_sync(soon.key.id)


def test_the_secret_is_nowhere_and_the_last_use_is_noted(tmp_path: Path) -> None:
    with serving(alone(tmp_path), models={"main": ScriptedModel(lambda request: "Fine.")}) as one:
        secret = one.key("ann", roles=["admin"])
        with one.client(secret) as client:
            assert client.get("/v1/keys").json()["keys"][0]["last_used_at"] is not None
            made = client.post("/v1/keys", json={"user": "bob", "name": "his"}).json()
            listed = client.get("/v1/keys").text
            client.post(
                "/v1/chat/completions", json={"messages": [{"role": "user", "content": "?"}]}
            )
    stored = (tmp_path / "service.db").read_bytes()
    for kept in (secret, made["secret"]):
        assert kept.startswith("cb_")
        assert len(kept.rsplit("_", 1)[-1]) >= 1
        assert kept not in listed
        assert kept.encode() not in stored
        assert kept.split("_", 2)[2].encode() not in stored
    digests = sqlite3.connect(tmp_path / "service.db").execute("SELECT digest FROM api_keys")
    assert all(len(digest) == 64 for (digest,) in digests)


def test_requests_a_minute_are_limited_over_all_workers(
    served: Service, settings: Settings
) -> None:
    key = served.key("eve", per_minute=3)
    with serving(settings) as second, served.client(key) as here, second.client(key) as there:
        statuses = [one.get("/v1/models").status_code for one in (here, there, here, there)]
        assert statuses == [200, 200, 200, 429]
        refused = there.get("/v1/models")
        assert 0 < int(refused.headers["retry-after"]) <= 61
        assert "3 requests a minute" in refused.json()["error"]["message"]


def test_requests_at_the_same_time_are_limited(tmp_path: Path) -> None:
    model = ScriptedModel(lambda request: "Fine.", delay_s=2)
    with serving(alone(tmp_path), models={"main": model}) as one:
        root, key = one.key("root", roles=["admin"]), one.key("ann", at_once=1)
        with one.client(root) as client:
            client.post("/v1/agents", json={"name": "slow", "description": "Answers slowly."})
        body = {
            "model": "callboard/slow",
            "messages": [{"role": "user", "content": "?"}],
            "stream": True,
        }
        with (
            one.client(key) as client,
            client.stream("POST", "/v1/chat/completions", json=body) as first,
        ):
            with one.client(key) as other:
                refused = other.get("/v1/models")
                assert refused.status_code == 429
                assert refused.headers["retry-after"] == "1"
            assert "[DONE]" in "".join(first.iter_text())
            assert client.get("/v1/models").status_code == 200


def test_without_keys_only_names_of_this_machine_are_answered(tmp_path: Path) -> None:
    with serving(alone(tmp_path), keys_needed=False) as one, one.client() as client:
        assert client.get("/v1/keys").status_code == 200
        assert client.get("/v1/agents", headers={"Host": "localhost:8000"}).status_code == 200
        for host in ("evil.example", "127.0.0.1.evil.example:80", "", "10.0.0.1"):
            assert client.get("/v1/agents", headers={"Host": host}).status_code in (400, 421)
        # What a page of another site may send without asking first is not taken for JSON.
        simple = client.post(
            "/v1/agents", content=b'{"name": "x"}', headers={"Content-Type": "text/plain"}
        )
        assert simple.status_code in (400, 415, 422)
        assert client.get("/v1/agents").json() == {"agents": []}


def test_long_headers_and_bodies_are_refused(served: Service) -> None:
    with served.client(served.key("ann", roles=["admin"])) as client:
        assert client.get("/v1/models", headers={"X-Long": "a" * 20_000}).status_code == 431
        body = {"query": "a" * 3_000_000}
        assert client.post("/v1/route", json=body).status_code == 413
        told = client.post("/v1/route", json={"query": "a" * 150_000}).json()["error"]["message"]
        assert "100,000 are allowed" in told


def test_changes_are_in_the_audit_log(tmp_path: Path) -> None:
    with serving(alone(tmp_path)) as one, one.client(one.key("root", roles=["admin"])) as client:
        assert client.post("/v1/agents", json=WEATHER).status_code == 201
        code = {**WEATHER, "function": "os:getcwd"}
        assert client.put("/v1/agents/weather", json=code).status_code == 400
        assert client.delete("/v1/agents/weather").status_code == 204
        assert client.delete("/v1/agents/weather").status_code == 404
        made = client.post("/v1/keys", json={"user": "bob"}).json()
        assert client.delete(f"/v1/keys/{made['id']}").json()["revoked_at"] is not None
        changes = client.get("/v1/changes").json()["changes"]
        told = [(one["action"], one["object"], one["outcome"]) for one in changes]
        assert told == [
            ("revoke key", made["id"], "done"),
            ("create key", "bob", "done"),
            ("remove agent", "weather", "refused"),
            ("remove agent", "weather", "done"),
            ("register agent", "weather", "refused"),
            ("register agent", "weather", "done"),
        ]
        assert all(one["user"] == "root" and one["key"] for one in changes)
        page = client.get("/v1/changes", params={"limit": 2, "before": changes[1]["id"]}).json()
        assert page["changes"] == changes[2:4]
        assert client.get("/v1/changes", params={"before": "no"}).status_code == 404


@pytest.mark.parametrize(
    ("granting", "said"),
    [
        ({"user": "a/b"}, "can't have a key"),
        ({"user": "*"}, "can't have a key"),
        ({"user": " "}, "can't have a key"),
        ({"user": "a", "roles": ["boss"]}, "roles"),
        ({"user": "a", "roles": []}, "one or more of"),
        ({"user": "a", "per_minute": 0}, "per_minute"),
        ({"user": "a", "expires_at": "2020-01-01T00:00:00Z"}, "not in the future"),
        ({"user": "a", "roles": ["admin"], "agents": ["weather"]}, "An admin may make keys"),
        ({"user": "a", "tenant": "other"}, "tenant"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(client_of: Make, granting: dict, said: str) -> None:
    answer = client_of("root", roles=["admin"]).post("/v1/keys", json=granting)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_when_no_more_may_wait_a_query_is_refused_and_may_come_again(tmp_path: Path) -> None:
    settings = alone(tmp_path).model_copy(
        update={"limits": LimitSettings(turns_at_once=1, queue=1)}
    )
    model = ScriptedModel(lambda request: "Fine.", delay_s=3)
    with (
        serving(settings, models={"main": model}) as one,
        one.client(one.key("ann", roles=["admin"])) as client,
    ):
        client.post("/v1/agents", json={"name": "slow", "description": "Answers slowly."})
        body = {"query": "?", "agents": ["slow"]}
        begun = [client.post("/v1/runs", json=body) for _ in range(3)]
        assert [answer.status_code for answer in begun] == [202, 202, 503]
        assert begun[-1].headers["retry-after"] == "2"
        ids = [answer.json()["id"] for answer in begun[:2]]
        told = {run["id"]: run["status"] for run in client.get("/v1/runs").json()["runs"]}
        assert told == dict(zip(ids, ["running", "queued"], strict=True))
        for run_id in ids:
            assert '"done"' in client.get(f"/v1/runs/{run_id}/events").text
