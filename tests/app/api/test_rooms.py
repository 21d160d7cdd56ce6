"""Agents, runs, memory, feedback, sessions and spending over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
from api_service import WEATHER, Service, wait_until

Make = Callable[..., httpx.Client]
QUERY = "Will it rain in Bergen?"


def events_of(text: str) -> list[tuple[int, str, dict]]:
    """Return the number, name and data of each server-sent event."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def finished(client: httpx.Client, run_id: str) -> dict:
    wait_until(lambda: client.get(f"/v1/runs/{run_id}").json()["status"] in ("done", "failed"))
    return client.get(f"/v1/runs/{run_id}").json()


def test_a_run_goes_on_and_its_events_are_told_as_often_as_one_likes(client: httpx.Client) -> None:
    begun = client.post("/v1/runs", json={"query": QUERY, "session": "s"})
    assert begun.status_code == 202
    run_id = begun.json()["id"]
    assert begun.headers["location"] == f"/v1/runs/{run_id}"
    told = events_of(client.get(f"/v1/runs/{run_id}/events").text)
    assert [number for number, _, _ in told] == list(range(1, len(told) + 1))
    assert told[-1][1] == "Done"
    assert told[-1][2]["answer"] == "It rains in Oslo."
    for again in (
        client.get(f"/v1/runs/{run_id}/events", params={"after": 3}),
        client.get(f"/v1/runs/{run_id}/events", headers={"Last-Event-ID": "3"}),
    ):
        assert events_of(again.text) == told[3:]
    run = client.get(f"/v1/runs/{run_id}").json()
    assert run["answer"] == "It rains in Oslo."
    assert run["decision"]["agents"] == ["weather"]
    assert run["cost_usd"] > 0
    assert {step["name"] for step in run["steps"]} >= {"retrieve", "decide", "act", "answer"}
    listed = client.get("/v1/runs", params={"session": "s", "limit": 1}).json()
    assert listed["runs"][0]["id"] == run_id
    assert client.post(f"/v1/runs/{run_id}/cancel").json() == {"id": run_id, "cancelled": False}


def test_a_run_is_asked_again(client: httpx.Client) -> None:
    run_id = client.post("/v1/runs", json={"query": QUERY}).json()["id"]
    again = client.post(f"/v1/runs/{run_id}/replay", json={"agents": ["weather"]})
    assert again.status_code == 202
    assert finished(client, again.json()["id"])["decision"]["method"] == "pinned"


def test_route_decides_and_calls_nobody(client: httpx.Client) -> None:
    decision = client.post("/v1/route", json={"query": QUERY}).json()
    assert decision["agents"] == ["weather"]
    assert decision["reason"]
    assert client.post("/v1/route", json={"query": QUERY, "agents": ["no"]}).status_code == 404


def test_agents_come_change_and_go(client_of: Make) -> None:
    client = client_of("root", roles=["ask", "agents"], tenant="changing")
    assert client.get("/v1/agents").json() == {"agents": []}
    assert client.post("/v1/agents", json=WEATHER).json()["version"] == 1
    assert client.post("/v1/agents", json=WEATHER).json()["version"] == 1
    changed = {**WEATHER, "description": "Tells the weather of any place on earth."}
    refused = client.post("/v1/agents", json=changed)
    assert refused.status_code == 400
    assert "replace=True" in refused.json()["error"]["message"]
    assert client.post("/v1/agents?replace=true", json=changed).json()["version"] == 2
    assert client.put("/v1/agents/weather", json=WEATHER).json()["version"] == 3
    assert client.put("/v1/agents/other", json=WEATHER).status_code == 400
    assert client.get("/v1/agents/weather").json()["state"] == "live"
    assert client.post("/v1/route", json={"query": QUERY}).json()["agents"] == ["weather"]
    assert client.delete("/v1/agents/weather").status_code == 204
    assert client.get("/v1/agents/weather").status_code == 404
    assert client.post("/v1/route", json={"query": QUERY}).json()["agents"] == []
    versions = client.get("/v1/agents/weather/versions").json()["versions"]
    assert [one["version"] for one in versions] == [1, 2, 3, 4]
    assert versions[-1]["spec"] is None
    wrong = client.post("/v1/agents", json={"name": "ox"}).json()["error"]
    assert "description" in wrong["message"]


@pytest.mark.parametrize(
    "more",
    [
        {"function": "os:getcwd", "model": None},
        {"tools": ["os:system"]},
        {"documents": ["/etc/passwd"], "model": None},
    ],
)
def test_no_code_or_file_of_the_server_is_named(client_of: Make, more: dict) -> None:
    client = client_of("root", roles=["agents"])
    answer = client.post("/v1/agents", json={**WEATHER, "name": "sly", **more})
    assert answer.status_code == 400
    assert "allow_functions = true in [service]" in answer.json()["error"]["message"]
    assert "sly" not in client_of("root").get("/v1/agents").text


@pytest.mark.parametrize(
    "endpoint",
    [
        {"api_base": "http://127.0.0.1:8000/v1"},
        {"api_base": "http://169.254.169.254/v1"},
        {"api_base": "https://localhost/v1"},
        {"api_base": "https://example.com/v1", "api_key_env": "AWS_SECRET_ACCESS_KEY"},
        {"deployments": [{"name": "a", "api_base": "https://10.0.0.7/v1"}]},
        {},
    ],
)
def test_no_address_or_secret_of_the_servers_network_is_named(
    client_of: Make, endpoint: dict
) -> None:
    client = client_of("root", roles=["agents", "ask"])
    told = {"model": "openai/x", **endpoint}
    spec = {**WEATHER, "name": "sly", "endpoint": told, "model": None}
    answer = client.post("/v1/agents", json=spec)
    assert answer.status_code == 400
    assert "endpoint" in answer.json()["error"]["message"]
    assert "sly" not in client.get("/v1/agents").text


def test_memory_is_added_found_changed_and_forgotten(client_of: Make) -> None:
    client = client_of("mia")
    (id_,) = client.post("/v1/memory", json={"text": "The bicycle is in the shed."}).json()["ids"]
    found = client.get("/v1/memory/search", params={"query": "where is the bicycle"}).json()
    assert [one["id"] for one in found["memory"]] == [id_]
    new = client.put(f"/v1/memory/{id_}", json={"text": "The bicycle is stolen."}).json()["id"]
    history = client.get(f"/v1/memory/{new}/history").json()["memory"]
    assert [one["id"] for one in history] == [id_, new]
    assert [one["id"] for one in client.get("/v1/memory").json()["memory"]] == [new]
    added = client.post(
        "/v1/memory/documents", params={"name": "notes.md"}, content=b"# Keys\n\nUnder the mat.\n"
    )
    assert added.status_code == 201
    assert "Under the mat" in client.get("/v1/memory", params={"text": "mat"}).text
    assert client.delete(f"/v1/memory/{new}").json()["deleted"] >= 1
    assert client.get(f"/v1/memory/{new}").status_code == 404
    assert client.delete("/v1/memory").json()["deleted"] == 1
    assert client.get("/v1/memory").json() == {"memory": []}


def test_what_all_share_is_the_managers(client_of: Make) -> None:
    manager, asker = client_of("max", roles=["ask", "agents"]), client_of("mia")
    shared = {"shared": True}
    body = {"text": "The office closes at six."}
    assert asker.post("/v1/memory", params=shared, json=body).status_code == 403
    assert asker.get("/v1/memory", params=shared).status_code == 403
    assert manager.post("/v1/memory", params=shared, json=body).status_code == 201
    assert manager.delete("/v1/memory", params=shared).json()["deleted"] == 1


def test_feedback_is_given_and_undone(client: httpx.Client) -> None:
    run_id = client.post("/v1/runs", json={"query": QUERY}).json()["id"]
    finished(client, run_id)
    given = client.post(f"/v1/runs/{run_id}/feedback", json={"score": 1, "comment": "Good."})
    assert given.status_code == 201
    assert given.json()["agents"] == ["weather"]
    listed = client.get("/v1/feedback", params={"run_id": run_id}).json()["feedback"]
    assert [one["id"] for one in listed] == [given.json()["id"]]
    assert client.delete(f"/v1/feedback/{given.json()['id']}").json()["standing"] == []
    assert client.post(f"/v1/runs/{run_id}/feedback", json={"score": 7}).status_code == 400
    assert client.post("/v1/runs/none/feedback", json={"score": 1}).status_code == 404


def test_sessions_are_listed_named_and_deleted(client_of: Make) -> None:
    client = client_of("sue")
    run_id = client.post("/v1/runs", json={"query": QUERY, "session": "talk"}).json()["id"]
    finished(client, run_id)
    assert client.patch("/v1/sessions/talk", json={"title": "Rain"}).status_code == 204
    (session,) = client.get("/v1/sessions").json()["sessions"]
    assert (session["id"], session["title"], session["runs"]) == ("talk", "Rain", 1)
    assert client.delete("/v1/sessions/talk").json() == {"runs": 1}
    assert client.get(f"/v1/runs/{run_id}").status_code == 404
    assert client.delete("/v1/sessions/talk").status_code == 404


def test_spending_is_told(client_of: Make) -> None:
    client = client_of("sam")
    assert client.get("/v1/spend").json() == {
        "rows": [],
        "known_usd": 0.0,
        "cost_usd": 0.0,
        "unknown_calls": 0,
    }
    finished(client, client.post("/v1/runs", json={"query": QUERY}).json()["id"])
    spend = client.get("/v1/spend").json()
    assert spend["cost_usd"] == spend["known_usd"] > 0
    assert spend["rows"][0]["agent"] == "weather"
    assert client.get("/v1/spend", params={"since": "2999-01-01T00:00:00"}).json()["rows"] == []


def test_metrics_are_those_of_the_tenant(served: Service, client_of: Make) -> None:
    finished(ann := client_of("ann"), ann.post("/v1/runs", json={"query": QUERY}).json()["id"])
    stranger = client_of("joe", tenant="strangers", roles=["runs", "ask"])
    stranger.get("/v1/runs")
    mine = client_of("ann", roles=["runs"]).get("/metrics").text
    assert 'callboard_turns_total{status="done",tenant="acme"}' in mine
    assert 'callboard_steps_total{name="decide",status="done",tenant="acme"}' in mine
    assert 'callboard_cost_usd_total{model="main",tenant="acme"}' in mine
    assert 'route="/v1/runs/{run_id}"' in mine
    assert "strangers" not in mine
    theirs = stranger.get("/metrics").text
    assert 'tenant="strangers"' in theirs
    assert "acme" not in theirs
    everything = client_of("op", tenant="local", roles=["runs"]).get("/metrics").text
    assert 'tenant="strangers"' in everything
    assert 'tenant="acme"' in everything


def test_a_user_is_handed_over_and_forgotten(served: Service, client_of: Make) -> None:
    admin, other = client_of("root", roles=["admin"]), client_of("nosy", roles=["agents", "runs"])
    key = served.key("zoe")
    with served.client(key) as zoe:
        below = {"query": "Will it rain in Nuuk?", "user": "kid"}
        run_id = zoe.post("/v1/runs", json=below).json()["id"]
        wait_until(
            lambda: zoe.get(f"/v1/runs/{run_id}", params={"user": "kid"}).json()["status"] == "done"
        )
        for path in ("/v1/users/zoe", "/v1/users/zoe/kid"):
            assert other.get(path).status_code == other.delete(path).status_code == 403
        assert "Nuuk" in admin.get("/v1/users/zoe/kid").text
        gone = admin.delete("/v1/users/zoe/kid").json()
        assert gone["deleted"]["runs"] == 1
        assert zoe.get(f"/v1/runs/{run_id}", params={"user": "kid"}).status_code == 404
        assert "Nuuk" not in admin.get("/v1/users/zoe/kid").text
        assert admin.delete("/v1/users/zoe").json()["deleted"]["api_keys"] == 1
        assert zoe.get("/v1/models").status_code == 401
    changes = admin.get("/v1/changes").json()["changes"]
    assert [one["action"] for one in changes][:2] == ["forget user", "forget user"]
    assert "zoe" not in str([one for one in changes if one["action"] == "forget user"])
