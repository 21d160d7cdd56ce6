"""Figures over stored turns and the agents in them; plain functions of what the store read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from ..records import AgentFigures, Spend, TurnFigures
from ..store.claims import GOING
from ..values import from_nano


def turn_figures(rows: Sequence[Any]) -> TurnFigures:
    """Return the figures of turns; a row is what `Summaries.turns` reads of one."""
    decided = [row for row in rows if row.method is not None]
    reasoned = [row for row in decided if row.reasoned]
    judging = [row.reasoning_nano for row in reasoned]
    ended = [row.latency_s for row in rows if row.latency_s is not None]
    return TurnFigures(
        turns=len(rows),
        answered=sum(row.status == "done" for row in rows),
        decided=len(decided),
        reasoned=len(reasoned),
        reasoning_usd=None if None in judging else from_nano(sum(judging)),
        mean_set_size=_mean([row.set_size for row in decided if row.set_size]),
        fallback_share=_mean([row.method == "fallback" for row in decided]),
        out_of_scope_share=_mean([not row.in_scope for row in decided]),
        p50_s=quantile(ended, 0.5),
        p95_s=quantile(ended, 0.95),
        known_usd=from_nano(sum(row.known_nano for row in rows)),
        unknown=sum(row.cost_nano is None and row.status not in GOING for row in rows),
    )


def agent_figures(acts: Iterable[Any], spend: Iterable[Spend]) -> tuple[AgentFigures, ...]:
    """Return the figures of every agent that worked, by name.

    An act is what `Summaries.acts` reads of one. What an agent cost is what was spent for it;
    routing is nobody's.
    """
    by_agent: dict[str, list[Any]] = {}
    for act in acts:
        if act.status != "running":
            by_agent.setdefault(act.agent, []).append(act)
    known: dict[str, Decimal] = {}
    unknown: dict[str, int] = {}
    for one in spend:
        if one.agent is not None:
            known[one.agent] = known.get(one.agent, Decimal(0)) + one.known_usd
            unknown[one.agent] = unknown.get(one.agent, 0) + one.unknown
    return tuple(
        AgentFigures(
            agent=name,
            calls=len(rows),
            failed=sum(row.status == "failed" for row in rows),
            p50_s=quantile([row.latency_s for row in rows if row.status == "done"], 0.5),
            p95_s=quantile([row.latency_s for row in rows if row.status == "done"], 0.95),
            known_usd=known.get(name, Decimal(0)),
            unknown=unknown.get(name, 0),
        )
        for name, rows in sorted(by_agent.items())
    )


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the value below which `share` of `values` lie (the nearest rank); None: no values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
