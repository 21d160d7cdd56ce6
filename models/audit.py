"""Reasoning tokens that were billed, against what calls like them needed before.

A provider bills reasoning that nobody sees. PALACE (arXiv 2508.00912) trains a model to estimate it
from prompt and visible answer. Here nothing is trained: earlier calls of the same model, for the
same domain and with a prompt of about the same length, tell what is usual. That has PALACE's
purpose and is not its method; what it finds is a signal of an anomaly, not a proof.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..records import Audit, AuditRow

ENOUGH = 50
"""Calls from which something is concluded; of fewer nothing is told."""

DRAWS = 1000
"""Samples of a bootstrap."""

_Floats: TypeAlias = NDArray[np.float64]
_Key: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AuditedCall:
    """One call that was answered.

    `domain` is the agent that it worked for, or else the step of the turn. `visible_tokens`, at
    least 1, are counted by us in what it said; the others the provider told (None: it did not).
    """

    model: str
    domain: str
    at: datetime
    run_id: str
    prompt_tokens: int
    visible_tokens: int
    reasoning_tokens: int | None


def audit(calls: Iterable[AuditedCall], since: datetime) -> Audit:
    """Compare the calls from `since` on with those before it, for each model and domain.

    The order of the calls makes no difference, and the same calls give the same figures.
    """
    random = np.random.default_rng(0)
    earlier: list[AuditedCall] = []
    audited: defaultdict[tuple[str, str], list[AuditedCall]] = defaultdict(list)
    for call in calls:
        if call.at >= since:
            audited[call.model, call.domain].append(call)
        else:
            earlier.append(call)
    baseline = _Baseline(_told(earlier), random)
    rows = tuple(
        _row(model, domain, group, baseline, random)
        for (model, domain), group in sorted(audited.items())
    )
    return Audit(since=since, rows=rows)


class _Cell:
    """Earlier calls that are alike, and what is usual among them."""

    def __init__(self, calls: Sequence[AuditedCall], random: np.random.Generator) -> None:
        self._visible, self._reasoning = _counts(calls)
        self._random = random

    def __len__(self) -> int:
        return len(self._visible)

    @cached_property
    def mean_ratio(self) -> float:
        """All reasoning tokens for all visible ones."""
        return float(self._reasoning.sum() / self._visible.sum())

    @cached_property
    def quantiles(self) -> tuple[float, float, float]:
        """Median, P95 and P99 of reasoning tokens for each visible one."""
        median, p95, p99 = np.quantile(self._reasoning / self._visible, (0.5, 0.95, 0.99))
        return float(median), float(p95), float(p99)

    @cached_property
    def drawn_ratios(self) -> _Floats:
        """The mean ratio in each sample of a bootstrap, `(DRAWS,)`."""
        visible, reasoning = _drawn(np.stack([self._visible, self._reasoning]), self._random)
        ratios: _Floats = reasoning / visible
        return ratios


class _Baseline:
    """Earlier calls by what they have in common: model, and domain, and length of the prompt."""

    def __init__(self, calls: Iterable[AuditedCall], random: np.random.Generator) -> None:
        groups: defaultdict[_Key, list[AuditedCall]] = defaultdict(list)
        for call in calls:
            for key in (_narrowest(call), (call.model, call.domain), (call.model,)):
                groups[key].append(call)
        self._cells = {key: _Cell(group, random) for key, group in groups.items()}

    def count(self, model: str) -> int:
        """Return how many calls of a model there are."""
        cell = self._cells.get((model,))
        return 0 if cell is None else len(cell)

    def cell(self, key: _Key) -> _Cell | None:
        """Return the cell of this key, if it has enough calls."""
        cell = self._cells.get(key)
        return cell if cell is not None and len(cell) >= ENOUGH else None


def _row(
    model: str,
    domain: str,
    calls: Sequence[AuditedCall],
    baseline: _Baseline,
    random: np.random.Generator,
) -> AuditRow:
    told = _told(calls)
    visible, reasoning = _counts(told)
    row = AuditRow(
        model=model,
        domain=domain,
        calls=len(calls),
        told=len(told),
        baseline_calls=baseline.count(model),
        billed_tokens=int(reasoning.sum()),
    )
    of_domain = baseline.cell((model, domain))
    usual = of_domain or baseline.cell((model,))
    if usual is None:
        return row
    cells = [baseline.cell(_narrowest(call)) or usual for call in told]
    limits = np.array([cell.quantiles[2] for cell in cells])
    above = [call for call, over in zip(told, reasoning / visible > limits, strict=True) if over]
    median, p95, p99 = usual.quantiles
    return replace(
        row,
        baseline="domain" if of_domain else "model",
        baseline_calls=len(usual),
        median_ratio=median,
        p95_ratio=p95,
        p99_ratio=p99,
        expected_tokens=math.fsum(visible * [cell.mean_ratio for cell in cells]),
        interval=_interval(visible, reasoning, cells, random),
        above_p99=len(above),
        run_ids=tuple(dict.fromkeys(call.run_id for call in above)),
    )


def _interval(
    visible: _Floats, reasoning: _Floats, cells: Sequence[_Cell], random: np.random.Generator
) -> tuple[float, float] | None:
    """Return the bootstrap interval, with 95 %, of billed for expected tokens.

    The audited calls and those of each cell are drawn anew, for both are samples. None: there are
    too few of the one, or the others hardly reasoned. Source: Efron, Annals of Statistics 7 (1979).
    """
    if len(cells) < ENOUGH:
        return None
    distinct = list(dict.fromkeys(cells))
    ratios = np.stack([cell.drawn_ratios for cell in distinct])
    if not ratios.all():
        return None
    of_cell = [[cell is other for cell in cells] for other in distinct]
    billed, *of_cells = _drawn(np.vstack([reasoning, visible * of_cell]), random)
    low, high = np.quantile(billed / (ratios * of_cells).sum(axis=0), (0.025, 0.975))
    return float(low), float(high)


def _drawn(counts: _Floats, random: np.random.Generator) -> _Floats:
    """Return the sums of `counts`, `(n_sums, n_calls)`, in each sample: `(n_sums, DRAWS)`."""
    calls = counts.shape[1]
    samples = (random.integers(calls, size=calls) for _ in range(DRAWS))
    times = (np.bincount(sample, minlength=calls) for sample in samples)
    return np.stack([counts @ each for each in times], axis=1)


def _told(calls: Iterable[AuditedCall]) -> list[AuditedCall]:
    """Return those whose reasoning is told, in their one order: samples depend on it."""
    return sorted(call for call in calls if call.reasoning_tokens is not None)


def _counts(calls: Sequence[AuditedCall]) -> tuple[_Floats, _Floats]:
    """Return the visible and the reasoning tokens of each call."""
    return (
        np.array([call.visible_tokens for call in calls], float),
        np.array([call.reasoning_tokens for call in calls], float),
    )


def _narrowest(call: AuditedCall) -> _Key:
    """Return the key of calls like this one: of its model, domain and length by powers of 4."""
    return (call.model, call.domain, (call.prompt_tokens.bit_length() - 1) // 2)
