"""A saved run, as the store would give it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from callboard.values import (
    UNKNOWN_USAGE,
    Candidate,
    Decision,
    Part,
    Run,
    Scope,
    Step,
    Usage,
)

START = datetime(2026, 1, 15, 8, 0, tzinfo=UTC)


def step(number: int, name: str, **fields: Any) -> Step:
    """Return a step that started as the `number`th."""
    fields.setdefault("status", "done")
    return Step(
        id=f"s{number}",
        run_id="r1",
        key=f"{number}-{name}",
        name=name,
        started_at=START + timedelta(milliseconds=number),
        latency_s=0.005,
        **fields,
    )


@pytest.fixture
def run() -> Run:
    """Return a run of two agents, of which a refiner's second call has no known cost."""
    decision = Decision(
        agents=("calculator", "calendar"),
        method="retrieval",
        reason="One wish is arithmetic, the other a date.",
        confidence=0.96,
        in_scope=True,
        candidates=(
            Candidate(agent="units", score=0.11, chosen=False, reason="not needed"),
            Candidate(agent="calculator", score=0.97, chosen=True, reason="fits the first wish"),
            Candidate(agent="calendar", score=0.94, chosen=True, reason="fits the second wish"),
        ),
        parts=(
            Part(text="What is 15% of 240", agents=("calculator",)),
            Part(text="which weekday is 90 days after 2026-01-15?", agents=("calendar",)),
        ),
        tiers={"filter": "low"},
        latency_s=0.004,
    )
    steps = (
        step(1, "retrieve"),
        step(2, "decide"),
        step(4, "act", agent="calendar"),
        step(3, "act", agent="calculator"),
        step(5, "refine"),
        step(
            6,
            "call",
            parent_id="s5",
            model="main",
            usage=Usage(input_tokens=310, output_tokens=42, cost_usd=Decimal("0.0012")),
        ),
        step(
            7,
            "call",
            parent_id="s5",
            model="other",
            usage=UNKNOWN_USAGE,
            status="failed",
            error="endpoint down",
        ),
    )
    return Run(
        id="0123456789abcdef0123456789abcdef",
        scope=Scope(session="s1"),
        query="What is 15% of 240, and which weekday is 90 days after 2026-01-15?",
        status="done",
        created_at=START,
        finished_at=START + timedelta(seconds=1.32),
        answer="15% of 240 is 36.\nIt is a Wednesday.",
        decision=decision,
        steps=steps,
    )


@pytest.fixture
def remembering(run: Run) -> Run:
    """Return the run with a recall: its filter asked a model, its summary was done a tier lower."""
    memo = {"text": "…", "chunk_ids": ["a.0000", "b.0001"], "tokens": 40, "tiers": {}}
    usage = Usage(input_tokens=300, output_tokens=20, cost_usd=Decimal("0.0005"))
    high, fallen = "The caller asked for high memory.", "summary failed at 'high': nonsense."
    more = (
        step(10, "recall", output=memo),
        module_step(11, "filter", asked="high", tier="high", reason=high),
        step(12, "call", parent_id="s11", model="main", usage=usage),
        module_step(13, "summary", asked="high", tier="mid", reason=f"{high} {fallen}"),
        step(14, "recall", agent="calendar", output={**memo, "tokens": 90}),
    )
    return replace(run, steps=(*run.steps, *more))


def module_step(number: int, name: str, **output: str) -> Step:
    """Return a memory module's step below the recall."""
    return step(number, name, parent_id="s10", output={"found": {}, **output})
