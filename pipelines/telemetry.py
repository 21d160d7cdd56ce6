"""What a run does as OpenTelemetry spans, sent by OTLP to a collector: one span for each step.

Spans carry both vocabularies that such collectors read: `gen_ai.*` of OpenTelemetry's semantic
conventions, and OpenInference's (span kinds, `llm.*`), with the routing as DECISION. What neither
names stands under `callboard.*`. Queries and answers are sent only if `content` says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from openinference.semconv.trace import OpenInferenceSpanKindValues as Kind
from openinference.semconv.trace import SpanAttributes as Inference
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from ..config import TelemetrySettings
from ..environment import headers_in
from ..redaction import redact
from ..store.claims import Claim
from ..store.runs import RunEnd
from ..values import JSON, Step

EXPORT_S = 5
"""How long one attempt to reach the collector may take, and the last one at the end."""

_KINDS: Mapping[str, Kind] = {
    "retrieve": Kind.RETRIEVER,
    "guard": Kind.GUARDRAIL,
    "decide": Kind.DECISION,
    "recall": Kind.RETRIEVER,
    "act": Kind.AGENT,
    "call": Kind.LLM,
}
"""What a step is in OpenInference's words; a `tool:NAME` is a TOOL, and any other a CHAIN."""


Attributes: TypeAlias = Mapping[str, Any]
"""What is told of a span; what is None is left out."""


class Telemetry:
    """Sends spans from a thread of its own; what can't be sent is dropped and told in the log."""

    def __init__(self, settings: TelemetrySettings, secrets: Sequence[str]) -> None:
        exporter = OTLPSpanExporter(
            endpoint=settings.otlp_endpoint,
            headers=headers_in(settings.headers_env, section="telemetry") or None,
            timeout=EXPORT_S,
        )
        self._content = settings.content
        self._secrets = tuple(secrets)
        self._provider = TracerProvider(
            resource=Resource({SERVICE_NAME: settings.service}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("callboard")

    def run(self, claim: Claim, query: str) -> RunSpans:
        """Begin the span of a run."""
        root = self._tracer.start_span("invoke_workflow callboard", kind=SpanKind.SERVER)
        scope = claim.scope
        spans = RunSpans(self._tracer, root, content=self._content, secrets=self._secrets)
        spans.describe(
            root,
            {
                Inference.OPENINFERENCE_SPAN_KIND: Kind.CHAIN.value,
                gen_ai.GEN_AI_OPERATION_NAME: "invoke_workflow",
                gen_ai.GEN_AI_CONVERSATION_ID: scope.session,
                Inference.SESSION_ID: scope.session,
                Inference.USER_ID: scope.user,
                gen_ai.GEN_AI_WORKFLOW_NAME: "callboard",
                Inference.INPUT_VALUE: query if self._content else None,
                "callboard.tenant": scope.tenant,
                "callboard.run.id": claim.run_id,
            },
        )
        return spans

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        self._provider.force_flush(EXPORT_S * 1000)
        self._provider.shutdown()


class RunSpans:
    """The spans of one run. Told of each step when it begins and when it ends."""

    def __init__(
        self, tracer: Tracer, root: Span, *, content: bool, secrets: Sequence[str]
    ) -> None:
        self._tracer = tracer
        self._root = root
        self._content = content
        self._secrets = secrets
        self._spans: dict[str, Span] = {}

    def step(self, step: Step) -> None:
        """Begin or end the span of a step."""
        if step.status == "running":
            parent = self._spans.get(step.parent_id or "", self._root)
            self._spans[step.id] = self._tracer.start_span(
                _name(step),
                context=set_span_in_context(parent),
                kind=SpanKind.CLIENT if step.name == "call" else SpanKind.INTERNAL,
                start_time=_nanoseconds(step.started_at),
            )
            return
        span = self._spans.get(step.id)
        if span is None:
            return
        self.describe(span, {**_of_step(step), **self._said(step)})
        self._end(span, step.error, step.started_at + timedelta(seconds=step.latency_s or 0.0))

    def end(self, end: RunEnd | None) -> None:
        """End the span of the run; None: it is left to another process."""
        ended_at = datetime.now(UTC)
        for span in self._spans.values():
            if span.is_recording():
                self._end(span, "left unfinished", ended_at)
        status = end.status if end else "left"
        answer = end.answer if end and self._content else None
        self.describe(self._root, {"callboard.run.status": status, Inference.OUTPUT_VALUE: answer})
        self._end(self._root, end.error if end else "left unfinished", ended_at)

    def describe(self, span: Span, attributes: Attributes) -> None:
        """Set attributes; text without secrets."""
        for name, value in attributes.items():
            if isinstance(value, str):
                span.set_attribute(name, redact(value, self._secrets))
            elif value is not None:
                span.set_attribute(name, value)

    def _end(self, span: Span, error: str | None, at: datetime) -> None:
        if error is not None:
            span.set_status(Status(StatusCode.ERROR, redact(error, self._secrets)))
        span.end(_nanoseconds(at))

    def _said(self, step: Step) -> Attributes:
        """Return what the step gave, if content is sent."""
        if not self._content or step.output is None:
            return {}
        output = step.output
        text = output.get("text") if isinstance(output, dict) else None
        return {Inference.OUTPUT_VALUE: text or json.dumps(output, ensure_ascii=False)}


def _name(step: Step) -> str:
    """Return the name of a span as the conventions want it: what is done, and by whom."""
    if step.name == "act":
        return f"invoke_agent {step.agent}"
    if step.name == "call":
        return f"chat {step.model}"
    tool = _tool(step)
    return f"execute_tool {tool}" if tool else step.name


def _tool(step: Step) -> str:
    """Return the name of the tool that the step used; empty: it used none."""
    return step.name.partition("tool:")[2]


def _of_step(step: Step) -> Attributes:
    """Return what is told of every step, and what only of its kind."""
    tool = _tool(step)
    kind = Kind.TOOL if tool else _KINDS.get(step.name, Kind.CHAIN)
    told = {
        Inference.OPENINFERENCE_SPAN_KIND: kind.value,
        Inference.GRAPH_NODE_ID: step.key,
        gen_ai.GEN_AI_AGENT_NAME: step.agent,
        Inference.AGENT_NAME: step.agent,
        "callboard.step.attempt": step.attempt,
    }
    output: dict[str, JSON] = step.output if isinstance(step.output, dict) else {}
    if tool:
        return {
            **told,
            gen_ai.GEN_AI_OPERATION_NAME: "execute_tool",
            gen_ai.GEN_AI_TOOL_NAME: tool,
            Inference.TOOL_NAME: tool,
        }
    if step.name == "act":
        return {**told, gen_ai.GEN_AI_OPERATION_NAME: "invoke_agent"}
    if step.name in ("retrieve", "recall"):
        return {**told, gen_ai.GEN_AI_OPERATION_NAME: "retrieval"}
    if step.name == "decide":
        return {**told, **_of_decision(output)}
    if step.name == "call":
        return {**told, **_of_call(step, output)}
    return told


def _of_decision(output: Mapping[str, Any]) -> Attributes:
    """Return what was decided; the query's own words are in none of it."""
    candidates = output.get("candidates", ())
    return {
        "callboard.route.method": output.get("method"),
        "callboard.route.in_scope": output.get("in_scope"),
        "callboard.route.agents": list(output.get("agents", ())),
        "callboard.route.candidates": [one["agent"] for one in candidates],
        "callboard.route.scores": [float(one["score"]) for one in candidates],
    }


def _of_call(step: Step, output: Mapping[str, Any]) -> Attributes:
    used, model = step.usage, output.get("model")
    read, written = used.input_tokens, used.output_tokens
    total = None if read is None or written is None else read + written
    finish = output.get("finish_reason")
    return {
        gen_ai.GEN_AI_OPERATION_NAME: "chat",
        gen_ai.GEN_AI_PROVIDER_NAME: str(model).partition("/")[0] if model else None,
        gen_ai.GEN_AI_REQUEST_MODEL: step.model,
        gen_ai.GEN_AI_RESPONSE_MODEL: model,
        gen_ai.GEN_AI_RESPONSE_FINISH_REASONS: [finish] if finish else None,
        gen_ai.GEN_AI_USAGE_INPUT_TOKENS: read,
        gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS: written,
        Inference.LLM_MODEL_NAME: model or step.model,
        Inference.LLM_TOKEN_COUNT_PROMPT: read,
        Inference.LLM_TOKEN_COUNT_COMPLETION: written,
        Inference.LLM_TOKEN_COUNT_TOTAL: total,
        Inference.LLM_COST_TOTAL: None if used.cost_usd is None else float(used.cost_usd),
        "callboard.deployment": output.get("deployment") or None,
        "callboard.attempts": output.get("attempts"),
        "callboard.cached": output.get("cached"),
    }


def _nanoseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000_000) * 1000
