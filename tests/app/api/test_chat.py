"""The board as OpenAI's official client sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import httpx
import openai
import pytest
from api_service import Service, alone, serving, wait_until

from callboard import ScriptedModel
from callboard.codec import from_json
from callboard.models.chat import ChatRequest
from callboard.pipelines.order import Order
from callboard.values import Scope

ASKED = [{"role": "user", "content": "Will it rain in Bergen?"}]


@pytest.fixture
def ai(served: Service) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.key("ann")) as client:
        yield client


def test_a_completion_is_answered_with_decision_and_cost_beside_it(ai: openai.OpenAI) -> None:
    raw = ai.chat.completions.with_raw_response.create(model="callboard", messages=ASKED)
    done = raw.parse()
    assert done.choices[0].message.content == "It rains in Oslo."
    assert done.choices[0].finish_reason == "stop"
    assert done.usage is not None
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens > 0
    told = done.model_extra["callboard"]
    assert told["agents"] == ["weather"]
    assert told["decision"]["reason"]
    assert told["cost_usd"] > 0
    assert told["ignored"] == []
    assert raw.headers["x-callboard-agents"] == "weather"
    assert float(raw.headers["x-callboard-cost-usd"]) == told["cost_usd"]
    assert raw.headers["x-callboard-run"] == told["run_id"]
    assert done.id == f"chatcmpl-{told['run_id']}"


def test_a_stream_tells_the_decision_the_text_and_the_usage(ai: openai.OpenAI) -> None:
    stream = ai.chat.completions.create(
        model="callboard", messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == "It rains in Oslo."
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0
    finishes = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert finishes[-1] == "stop"
    assert set(finishes[:-1]) == {None}
    facts = [one for chunk in chunks if (one := (chunk.model_extra or {}).get("callboard"))]
    assert facts[0]["decision"]["agents"] == ["weather"]
    assert facts[-1]["cost_usd"] > 0
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_async_client_works_too(served: Service) -> None:
    async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=served.key()) as client:
        done = await client.chat.completions.create(model="callboard", messages=ASKED)
        assert done.choices[0].message.content == "It rains in Oslo."


def test_models_are_the_board_and_its_agents(ai: openai.OpenAI) -> None:
    assert [model.id for model in ai.models.list()] == ["callboard", "callboard/weather"]
    assert ai.models.retrieve("callboard/weather").owned_by == "callboard"
    with pytest.raises(openai.NotFoundError, match="no model 'callboard/nobody'"):
        ai.models.retrieve("callboard/nobody")


def test_an_agent_can_be_asked_as_a_model(ai: openai.OpenAI) -> None:
    done = ai.chat.completions.create(
        model="callboard/weather", messages=[{"role": "user", "content": "Sing!"}]
    )
    assert done.model == "callboard/weather"
    assert done.model_extra["callboard"]["decision"]["method"] == "pinned"
    with pytest.raises(openai.NotFoundError, match="nobody"):
        ai.chat.completions.create(model="callboard/nobody", messages=ASKED)
    with pytest.raises(openai.BadRequestError, match="no model 'gpt-5'"):
        ai.chat.completions.create(model="gpt-5", messages=ASKED)


def test_the_boards_own_fields_are_extra_fields(served: Service, ai: openai.OpenAI) -> None:
    extra = {"session": "s1", "user": "carl", "memory": "low", "budget_usd": 1}
    done = ai.chat.completions.create(model="callboard", messages=ASKED, extra_body=extra)
    run_id = done.model_extra["callboard"]["run_id"]
    run = served.board.scoped("acme").get_sync(run_id, user="ann/carl")
    assert (run.scope.session, run.scope.user) == ("s1", "ann/carl")
    assert run.decision is not None
    assert run.decision.budget_usd == 1
    with pytest.raises(openai.APIStatusError, match="USD") as error:
        ai.chat.completions.create(
            model="callboard", messages=ASKED, extra_body={"budget_usd": 0.000000001}
        )
    assert error.value.status_code == 502  # the run failed, and says why
    assert error.value.body["run_id"]  # type: ignore[index]


def test_messages_before_are_the_history_or_the_session_is(served: Service) -> None:
    board = served.board.scoped("acme")

    def told(run_id: str, user: str) -> list[str]:
        scope = Scope(tenant="acme", user=user)
        store = board._house.store
        order = from_json(Order, store.runs.options(scope, run_id))
        return ["session"] if order.history is None else [one.answer for one in order.history]

    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.key("hana")) as ai:
        before = [
            {"role": "system", "content": "You are a pirate."},
            {"role": "user", "content": "Will it rain in Oslo?"},
            {"role": "assistant", "content": "Yes."},
        ]
        done = ai.chat.completions.create(
            model="callboard", messages=[*before, *ASKED], temperature=0.3, max_tokens=9
        )
        facts = done.model_extra["callboard"]
        assert told(facts["run_id"], "hana") == ["Yes."]
        assert facts["ignored"] == ["max_tokens", "temperature", "messages[system]"]
        done = ai.chat.completions.create(
            model="callboard", messages=ASKED, extra_body={"session": "s"}
        )
        assert told(done.model_extra["callboard"]["run_id"], "hana") == ["session"]
        done = ai.chat.completions.create(model="callboard", messages=ASKED)
        assert told(done.model_extra["callboard"]["run_id"], "hana") == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, "last message must be the user's"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "reads text alone",
        ),
        ({"messages": [{"role": "user", "content": "  "}]}, "query is empty"),
        ({"tools": [{"type": "function"}]}, "'tools' is not supported"),
        ({"n": 2}, "n"),
        ({"response_format": {"type": "json_object"}}, "'response_format' is not supported"),
        ({"sesion": "s"}, "did you mean 'session'"),
        ({"budget_usd": -1}, "budget_usd"),
        ({"memory": "huge"}, "huge"),
        ({"memory": ["low"]}, "memory"),
        ({"agents": ["nobody"]}, "No agent 'nobody'"),
        ({"user": ""}, "is no name"),
        ({"user": "a\nb"}, "is no name"),
    ],
)
def test_what_is_wrong_is_said(client: httpx.Client, changed: dict, said: str) -> None:
    body = {"model": "callboard", "messages": ASKED, **changed}
    response = client.post("/v1/chat/completions", json=body)
    assert response.status_code in (400, 404)
    error = response.json()["error"]
    assert said in error["message"]
    assert response.headers["x-should-retry"] == "false"


def test_what_asks_for_nothing_is_let_through(client: httpx.Client) -> None:
    body = {
        "model": "callboard",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Rain in Bergen?"}]}],
        "tools": [],
        "n": 1,
        "logprobs": False,
        "response_format": {"type": "text"},
        "stream": False,
    }
    assert client.post("/v1/chat/completions", json=body).status_code == 200


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_goes_away_stops_the_turn(tmp_path: Path, streamed: bool) -> None:
    model = ScriptedModel(lambda request: "never", delay_s=60)
    with serving(alone(tmp_path), models={"main": model}) as one:
        key = one.key("ann", roles=["admin"])
        with one.client(key) as client:
            spec = {"name": "slow", "description": "Answers everything, and slowly."}
            client.post("/v1/agents", json=spec)
            gone = HTTPConnection(one.url.removeprefix("http://"))
            body = {"model": "callboard/slow", "messages": ASKED, "stream": streamed}
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            gone.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            wait_until(lambda: model.requests)
            gone.close()
            wait_until(
                lambda: (
                    [run["status"] for run in client.get("/v1/runs").json()["runs"]]
                    == ["cancelled"]
                )
            )


def test_a_turn_that_fails_in_a_stream_ends_it_with_an_error(tmp_path: Path) -> None:
    def broken(request: ChatRequest) -> str:
        raise RuntimeError("out of order")

    with serving(alone(tmp_path), models={"main": ScriptedModel(broken)}) as one:
        key = one.key("ann", roles=["admin"])
        with one.client(key) as client:
            spec = {"name": "broken", "description": "Answers nothing, for it is broken."}
            client.post("/v1/agents", json=spec)
            body = {"model": "callboard/broken", "messages": ASKED}
            failed = client.post("/v1/chat/completions", json=body)
            assert failed.status_code == 502
            assert "broken could not answer" in failed.json()["error"]["message"]
            streamed = client.post("/v1/chat/completions", json={**body, "stream": True})
            lines = [line for line in streamed.text.splitlines() if line.startswith("data: ")]
            told = [json.loads(line.removeprefix("data: ")) for line in lines]
            assert "broken could not answer" in told[-1]["error"]["message"]
            with (
                openai.OpenAI(base_url=f"{one.url}/v1", api_key=key) as ai,
                pytest.raises(openai.APIError, match="broken could not answer"),
            ):
                list(
                    ai.chat.completions.create(
                        model="callboard/broken", messages=ASKED, stream=True
                    )
                )
