"""From decisions to the figures of a report: JSON-ready, shares in percent, unknown is null.

A figure `x` is a number; `x_ci` is its 95 % interval `[low, high]`: Wilson's for shares, bootstrap
for means, F1 and AUROC.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from .. import __version__
from ..router.retrieval.scoring import GUARD_THRESHOLD
from ..values import JSON, Decision, Usage, total_cost
from .machine import describe_machine
from .metrics import (
    Interval,
    at_1,
    auroc,
    auroc_interval,
    complete_at,
    f1,
    gqr_score,
    label_in_set,
    mean,
    mean_interval,
    quantile,
    wilson,
)
from .sets import Labelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """A query, the decision on it, and how long the caller waited."""

    asked: Labelled
    decision: Decision
    latency_s: float

    @property
    def ranked(self) -> tuple[str, ...]:
        """The agents, the best first: by probability, or those first that a model judged right."""
        decision = self.decision
        judged = decision.agents if decision.method == "reasoning" else ()
        rest = sorted(decision.candidates, key=lambda one: -one.score)
        return tuple(dict.fromkeys((*judged, *(one.agent for one in rest))))

    @property
    def at_1(self) -> bool:
        """Whether the best agent is right."""
        return at_1(self.ranked, self.asked.labels)

    @property
    def in_set(self) -> bool:
        """Whether a right agent was called."""
        return label_in_set(self.decision.agents, self.asked.labels)

    @property
    def kept(self) -> bool:
        """Whether the guard, at its default threshold, would let the query in."""
        return self.guard_score >= GUARD_THRESHOLD

    @property
    def guard_score(self) -> float:
        """How surely the query is in scope."""
        return self.decision.guard_score or 0.0

    def to_json(self) -> JSON:
        """Return what is needed to compare two policies query by query."""
        return {
            "query": self.asked.query,
            "labels": sorted(self.asked.labels),
            "agents": list(self.decision.agents),
            "ranked": list(self.ranked[:5]),
            "at_1": self.at_1,
            "label_in_set": self.in_set,
            "method": self.decision.method,
            "guard_score": self.guard_score,
            "latency_ms": round(1000 * self.latency_s, 3),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that was routed; `llm_calls` were made for `test`."""

    min_probability: float
    valid_queries: int
    valid_set_size: float | None
    test: tuple[Routed, ...]
    two_label: tuple[Routed, ...]
    oos: tuple[Routed, ...]
    llm_calls: int


def figures(found: Findings) -> dict[str, JSON]:
    """Return all figures of a report."""
    test, oos = found.test, found.oos
    took = sorted(1000 * one.latency_s for one in test)
    cost = total_cost(Usage(cost_usd=one.decision.cost_usd) for one in test)
    return {
        "queries": len(test),
        **_share("at_1", (one.at_1 for one in test)),
        **_share("label_in_set", (one.in_set for one in test)),
        **_sizes(test),
        **_set_f1(test, lambda one: one.decision.agents),
        **_share("complete_at_5", (complete_at(one.ranked, one.asked.labels) for one in test)),
        **_guard(test, oos),
        "two_label": _two_label(found.two_label),
        **_share("reasoned_share", (one.decision.method == "reasoning" for one in test)),
        **_share("fallback_share", (one.decision.method == "fallback" for one in test)),
        "p50_ms": _round(quantile(took, 0.50), 2) if took else None,
        "p95_ms": _round(quantile(took, 0.95), 2) if took else None,
        "llm_calls": found.llm_calls,
        "cost_usd": None if cost is None else float(cost),
        "min_probability": found.min_probability,
        "valid_queries": found.valid_queries,
        "valid_mean_set_size": _round(found.valid_set_size, 4),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "version": __version__,
    }


def coverage_figures(test: Sequence[Routed]) -> dict[str, JSON]:
    """Return how often all right agents were called, and how many were called for that."""
    every = (one.asked.labels <= set(one.decision.agents) for one in test)
    return {**_share("coverage", every), **_sizes(test)}


def write_lines(routed: Iterable[Routed]) -> str:
    """Return one line of JSON per query."""
    return "".join(f"{json.dumps(one.to_json(), ensure_ascii=False)}\n" for one in routed)


def _guard(test: Sequence[Routed], oos: Sequence[Routed]) -> dict[str, JSON]:
    inside = [one.guard_score for one in test]
    outside = [one.guard_score for one in oos]
    accuracy = mean(one.in_set and one.kept for one in test)
    rejected = mean(not one.kept for one in oos)
    return {
        "oos_queries": len(oos),
        "oos_auroc": _percent(auroc(inside, outside)),
        "oos_auroc_ci": _interval(auroc_interval(inside, outside)),
        **_share("oos_recall", (not one.kept for one in oos)),
        **_share("guarded_label_in_set", (one.in_set and one.kept for one in test)),
        "gqr_score": _percent(gqr_score(accuracy, rejected)),
    }


def _two_label(turns: Sequence[Routed]) -> dict[str, JSON] | None:
    """Return the figures of queries with two right agents, against the two most probable."""
    if not turns:
        return None
    naive = _set_f1(turns, lambda one: one.ranked[:2])
    every = (complete_at(one.ranked, one.asked.labels) for one in turns)
    return {
        "queries": len(turns),
        **_set_f1(turns, lambda one: one.decision.agents),
        "top_2_f1": naive["set_f1"],
        "top_2_f1_ci": naive["set_f1_ci"],
        **_sizes(turns),
        **_share("complete_at_5", every),
    }


def _sizes(routed: Sequence[Routed]) -> dict[str, JSON]:
    sizes = [len(one.decision.agents) for one in routed]
    interval = mean_interval(sizes)
    return {
        "mean_set_size": _round(mean(sizes), 4),
        "mean_set_size_ci": interval and [_round(bound, 4) for bound in interval],
    }


def _set_f1(routed: Sequence[Routed], chosen: Callable[[Routed], Sequence[str]]) -> dict[str, JSON]:
    values = [f1(chosen(one), one.asked.labels) for one in routed]
    return {"set_f1": _percent(mean(values)), "set_f1_ci": _interval(mean_interval(values))}


def _share(name: str, hits: Iterable[bool]) -> dict[str, JSON]:
    known = list(hits)
    return {
        name: _percent(mean(known)),
        f"{name}_ci": _interval(wilson(sum(known), len(known))),
    }


def _percent(share: float | None) -> float | None:
    return _round(None if share is None else 100 * share, 2)


def _interval(interval: Interval | None) -> list[float | None] | None:
    return None if interval is None else [_percent(bound) for bound in interval]


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
