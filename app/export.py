"""Runs and memory as files: CSV that no spreadsheet takes for formulas, and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..records import RunSummary, Spend
from .views import number, plain

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell may not begin with. Source: OWASP, CSV Injection."""


def json_of(runs: Iterable[RunSummary]) -> str:
    """Return runs as a JSON list."""
    return json.dumps([summary_json(run) for run in runs], ensure_ascii=False, indent=2)


def csv_of(runs: Iterable[RunSummary]) -> str:
    """Return runs as CSV, one line each."""
    return table_of([summary_json(run) for run in runs])


def spend_csv(rows: Iterable[Spend]) -> str:
    """Return what was spent as CSV."""
    return table_of([spend_json(row) for row in rows])


def table_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of the same fields as CSV; a text that looks like a formula gets a quote."""
    file = io.StringIO()
    if rows:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _cell(value) for name, value in row.items()})
    return file.getvalue()


def summary_json(run: RunSummary) -> dict[str, Any]:
    """Return what a list shows of a run as one JSON object; null is unknown."""
    return {
        "id": run.id,
        "created_at": run.created_at.isoformat(),
        "user": run.scope.user,
        "session": run.scope.session,
        "query": run.query,
        "status": run.status,
        "method": run.method,
        "agents": list(run.agents),
        "models": list(run.models),
        "latency_s": run.latency_s,
        "cost_usd": number(run.cost_usd),
        "known_cost_usd": number(run.known_cost_usd),
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "replays": run.replays,
    }


def spend_json(spend: Spend) -> dict[str, Any]:
    """Return what was spent on one thing as one JSON object; null is unknown."""
    return {
        "day": spend.day.isoformat(),
        "user": spend.user,
        "step": spend.step,
        "agent": spend.agent,
        "model": spend.model,
        "calls": spend.calls,
        "unknown_calls": spend.unknown,
        "known_usd": number(spend.known_usd),
        "cost_usd": number(spend.cost_usd),
        "input_tokens": spend.input_tokens,
        "output_tokens": spend.output_tokens,
    }


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
