"""What stored runs tell about the routing: how many agents, how sure, and how steady."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..values import RoutingMetrics, Run

SEGMENTS = (4, 16, 64)
"""Lengths of the stretches of queries that are looked at."""
POOLS = (1, 2, 4, 8)
"""Numbers of agents that are kept warm."""


def routing_metrics(runs: Sequence[Run], categories: Mapping[str, str]) -> RoutingMetrics:
    """Return the metrics of `runs`, in the order in which they were asked."""
    decisions = [run.decision for run in runs if run.decision is not None]
    sets = [frozenset(decision.agents) for decision in decisions]
    called = [one for one in sets if one]
    counts = Counter(agent for one in called for agent in one)
    by_category: dict[str, dict[str, int]] = {}
    for agent, count in counts.most_common():
        by_category.setdefault(categories.get(agent, agent), {})[agent] = count
    return RoutingMetrics(
        runs=len(decisions),
        mean_set_size=_mean([len(one) for one in called]),
        reasoned_share=_mean([decision.method == "reasoning" for decision in decisions]),
        fallback_share=_mean([decision.method == "fallback" for decision in decisions]),
        out_of_scope_share=_mean([not decision.in_scope for decision in decisions]),
        persistence={length: persistence(called, length) for length in SEGMENTS},
        hit_rates={pool: hit_rate(called, SEGMENTS[1], pool) for pool in POOLS},
        categories=by_category,
    )


def persistence(sets: Sequence[frozenset[str]], length: int) -> float | None:
    """Return how well the same few agents serve a whole stretch of queries, in 0..1.

    In every stretch those are kept that are called at least t times; the F1 of keeping them for all
    of its queries, at the best t. Source: SRP of moe-lrc (arXiv 2505.16056), with queries in place
    of tokens and agents in place of experts: 2 M / (P + A), M calls that are served, P agents kept
    times queries, A calls.
    """
    length = min(length, len(sets))
    stretches = _stretches(sets, length)
    calls = sum(count.total() for count in stretches)
    if not calls:
        return None
    return max(_f1(stretches, times, length, calls) for times in range(1, length + 1))


def _f1(stretches: Sequence[Counter[str]], times: int, length: int, calls: int) -> float:
    kept = [[n for n in count.values() if n >= times] for count in stretches]
    served, offered = sum(map(sum, kept)), sum(map(len, kept)) * length
    return 2 * served / (offered + calls)


def hit_rate(sets: Sequence[frozenset[str]], length: int, pool: int) -> float | None:
    """Return the share of calls that a warm pool of agents can serve at best, in 0..1.

    It may be chosen anew for every stretch, knowing what comes. Source: SCH of moe-lrc (arXiv
    2505.16056).
    """
    stretches = _stretches(sets, min(length, len(sets)))
    calls = sum(count.total() for count in stretches)
    hits = sum(n for count in stretches for _, n in count.most_common(pool))
    return hits / calls if calls else None


def _stretches(sets: Sequence[frozenset[str]], length: int) -> list[Counter[str]]:
    """Return the calls of each agent in every whole stretch; the rest at the end is left out."""
    starts = range(0, len(sets) - length + 1, length) if length else ()
    return [
        Counter(agent for one in sets[start : start + length] for agent in one) for start in starts
    ]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
