"""What a collector is told of a turn: read from what arrives there by OTLP."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from callboard import Agent, Board
from callboard.config import Settings
from callboard.errors import ConfigurationError
from callboard.model_settings import ModelSettings
from callboard.models.scripted import ScriptedModel

QUERY = "How much is the late fee?"


class Collector:
    """An OTLP endpoint; `bodies` is what arrived."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.headers.append(dict(self.headers))
                collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def spans(self) -> dict[str, dict]:
        """Spans by name: their attributes, and under `span` the span itself."""
        found = {}
        for body in self.bodies:
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        attributes = {one.key: _value(one.value) for one in span.attributes}
                        found[span.name] = {**attributes, "span": span}
        return found


def _value(value):
    if value.HasField("array_value"):
        return [_value(one) for one in value.array_value.values]
    return getattr(value, value.WhichOneof("value"))


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.close()


def board(tmp_path, collector: Collector | None, **telemetry) -> Board:
    if collector is not None:
        telemetry["otlp_endpoint"] = collector.url
    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'board.db'}",
        models={"main": ModelSettings(model="hosted_vllm/tiny")},
        telemetry=telemetry,
    )
    return Board(
        settings, models={"main": ScriptedModel(["The late fee is 5 USD."])}, recover=False
    )


def ask(board: Board, **more):
    with board:
        board.register(Agent(name="billing", description="Invoices, fees and refunds."))
        return board.run_sync(QUERY, agents=["billing"], user="ann", session="s1", **more)


def test_each_step_is_a_span_in_both_vocabularies(tmp_path, collector, monkeypatch):
    monkeypatch.setenv("COLLECTOR", "x-key=abc,x-more=d=e")
    run = ask(board(tmp_path, collector, headers_env="COLLECTOR"))
    spans = collector.spans
    root = spans["invoke_workflow callboard"]
    assert root["openinference.span.kind"] == "CHAIN"
    assert root["callboard.run.id"] == run.id
    assert (root["gen_ai.conversation.id"], root["user.id"]) == ("s1", "ann")
    assert root["callboard.run.status"] == "done"
    decide, act = spans["decide"], spans["invoke_agent billing"]
    assert decide["openinference.span.kind"] == "DECISION"
    assert decide["callboard.route.agents"] == ["billing"]
    assert (act["openinference.span.kind"], act["gen_ai.agent.name"]) == ("AGENT", "billing")
    call = spans["chat main"]
    assert (call["openinference.span.kind"], call["gen_ai.operation.name"]) == ("LLM", "chat")
    (step,) = [step for step in run.steps if step.name == "call"]
    assert call["gen_ai.usage.input_tokens"] == step.usage.input_tokens
    assert call["llm.token_count.total"] == step.usage.input_tokens + step.usage.output_tokens
    assert call["gen_ai.request.model"] == "main"
    # A tree: the call is the agent's, the agent's work is the run's.
    assert call["span"].parent_span_id == act["span"].span_id
    assert act["span"].parent_span_id == root["span"].span_id
    assert {one["span"].trace_id for one in spans.values()} == {root["span"].trace_id}
    for one in spans.values():
        assert 0 < one["span"].start_time_unix_nano <= one["span"].end_time_unix_nano
    assert collector.headers[0]["x-key"] == "abc"
    assert collector.headers[0]["x-more"] == "d=e"


@pytest.mark.parametrize("content", [False, True])
def test_queries_and_answers_are_sent_only_if_that_is_wanted(content, tmp_path, collector):
    ask(board(tmp_path, collector, content=content))
    everything = b"".join(collector.bodies)
    assert (QUERY.encode() in everything) is content
    assert (b"late fee is 5 USD" in everything) is content


def test_a_step_that_failed_says_why(tmp_path, collector):
    def failing(query: str) -> str:
        raise ValueError("no such invoice")

    with board(tmp_path, collector) as open_board:
        open_board.agent(name="billing", description="Invoices, fees and refunds.")(failing)
        run = open_board.run_sync(QUERY, agents=["billing"])
    assert run.status == "failed"
    span = collector.spans["invoke_agent billing"]["span"]
    assert span.status.code == span.status.STATUS_CODE_ERROR
    assert "no such invoice" in span.status.message


def test_a_collector_that_is_not_there_costs_no_turn(tmp_path, collector):
    collector.close()
    dead = board(tmp_path, collector)
    assert ask(dead).status == "done"


def test_without_a_collector_nothing_is_made(tmp_path):
    with board(tmp_path, None) as quiet:
        quiet.prepare_sync(learn=False)
        assert quiet._house._telemetry is None


@pytest.mark.parametrize("value", [None, "", "no pairs", "=x"])
def test_headers_that_are_none_are_a_wrong_setting(value, tmp_path, collector, monkeypatch):
    monkeypatch.delenv("COLLECTOR", raising=False)
    if value is not None:
        monkeypatch.setenv("COLLECTOR", value)
    with (
        pytest.raises(ConfigurationError, match="'COLLECTOR' holds no 'name=value"),
        board(tmp_path, collector, headers_env="COLLECTOR") as wrong,
    ):
        wrong.prepare_sync(learn=False)
