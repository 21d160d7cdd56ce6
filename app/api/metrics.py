"""`/metrics`: what Prometheus is told of requests, turns, steps and money.

Each series says whose it is: a key sees those of its tenant, and one of the tenant `local`, which
is the operator's, sees all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...store.claims import Claim
from ...store.runs import RunEnd
from ...values import Step
from .access import OPEN, Caller, Reader

router = APIRouter(tags=["metrics"])

OPERATOR = "local"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The counters of one process. An observer of runs, and what the middleware counts with."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "callboard_http_requests",
            "Requests that were answered.",
            ["tenant", "method", "route", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "callboard_http_seconds",
            "Seconds from a request to the end of its answer.",
            ["tenant", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.turns_going = Gauge(
            "callboard_turns_going",
            "Turns that go on.",
            ["tenant"],
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.turns = Counter(
            "callboard_turns", "Turns that ended.", ["tenant", "status"], registry=self.registry
        )
        self.turn_seconds = Histogram(
            "callboard_turn_seconds",
            "Seconds that a turn took.",
            ["tenant"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.steps = Counter(
            "callboard_steps",
            "Steps of turns that ended.",
            ["tenant", "name", "status"],
            registry=self.registry,
        )
        self.tokens = Counter(
            "callboard_tokens",
            "Tokens that models read and wrote, where it is known.",
            ["tenant", "model", "kind"],
            registry=self.registry,
        )
        self.cost = Counter(
            "callboard_cost_usd",
            "US dollars that calls cost, where it is known.",
            ["tenant", "model"],
            registry=self.registry,
        )
        self.unknown = Counter(
            "callboard_unknown_cost_calls",
            "Calls whose cost is not known.",
            ["tenant", "model"],
            registry=self.registry,
        )

    def run(self, claim: Claim, query: str) -> Watcher:
        """Begin to watch a run."""
        return Watcher(self, claim.scope.tenant)

    def text(self, tenant: str) -> bytes:
        """Return what a tenant may see, of all workers on this machine, as Prometheus reads it."""
        source = CollectorRegistry() if os.environ.get("PROMETHEUS_MULTIPROC_DIR") else None
        if source is not None:
            MultiProcessCollector(source)  # type: ignore[no-untyped-call]
        shown = CollectorRegistry()
        shown.register(_OfTenant(source or self.registry, tenant))
        return generate_latest(shown)


class Watcher:
    """Counts what one run does. A `pipelines.runlog.Watcher`."""

    def __init__(self, metrics: Metrics, tenant: str) -> None:
        self._metrics = metrics
        self._tenant = tenant
        self._began = time.perf_counter()
        metrics.turns_going.labels(tenant).inc()

    def step(self, step: Step) -> None:
        """Hear of a step that begins or ends."""
        if step.status == "running":
            return
        metrics, tenant = self._metrics, self._tenant
        metrics.steps.labels(tenant, step.name, step.status).inc()
        if step.model is None:
            return
        usage = step.usage
        for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            metrics.tokens.labels(tenant, step.model, kind).inc(count or 0)
        if usage.cost_usd is None:
            metrics.unknown.labels(tenant, step.model).inc()
        else:
            metrics.cost.labels(tenant, step.model).inc(float(usage.cost_usd))

    def end(self, end: RunEnd | None) -> None:
        """Hear of the end of the run; None: it is left to another process."""
        metrics, tenant = self._metrics, self._tenant
        metrics.turns_going.labels(tenant).dec()
        metrics.turns.labels(tenant, end.status if end else "left").inc()
        metrics.turn_seconds.labels(tenant).observe(time.perf_counter() - self._began)


class Counting:
    """Counts requests and their seconds. An ASGI middleware, inside of the gate."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        with self._counted(scope) as answered:

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    answered.append(message["status"])
                await send(message)

            await self._app(scope, receive, sending)

    @contextmanager
    def _counted(self, scope: Scope) -> Iterator[list[int]]:
        began, answered = time.perf_counter(), list[int]()
        caller: Caller = scope["state"]["caller"]
        tenant = caller.key.scope.tenant if caller.key else OPERATOR
        try:
            yield answered
        finally:
            # The path of the route, and not that of the request: there are only so many.
            route = getattr(scope.get("route"), "path", "none")
            status = str(answered[0]) if answered else "none"
            self._metrics.requests.labels(tenant, scope["method"], route, status).inc()
            self._metrics.request_seconds.labels(tenant, route).observe(time.perf_counter() - began)


class _OfTenant(Collector):
    """The series of one tenant; of all, for the operator's."""

    def __init__(self, source: CollectorRegistry, tenant: str) -> None:
        self._source = source
        self._tenant = tenant

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        for metric in self._source.collect():
            if self._tenant != OPERATOR:
                metric.samples = [
                    one for one in metric.samples if one.labels.get("tenant") == self._tenant
                ]
            yield metric


@router.get("/metrics")
async def metrics(request: Request, caller: Reader) -> Response:
    """Tell Prometheus what was counted."""
    tenant = caller.key.scope.tenant if caller.key else OPERATOR
    text = request.app.state.metrics.text(tenant)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
