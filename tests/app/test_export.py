"""Runs and spend as files."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

from callboard.app.export import csv_of, json_of, spend_csv, table_of
from callboard.records import RunSummary, Spend
from callboard.values import Scope

RUN = RunSummary(
    id="r1",
    scope=Scope(user="ann", session="s1"),
    query='=HYPERLINK("http://x"),"a"\nb',
    status="done",
    created_at=datetime(2026, 1, 15, 8, tzinfo=UTC),
    latency_s=1.5,
    method="retrieval",
    agents=("a", "b"),
    cost_usd=None,
    known_cost_usd=Decimal("0.002"),
)


def test_no_cell_is_taken_for_a_formula() -> None:
    rows = [{"a": text} for text in ("=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "plain", "")]
    told = [row["a"] for row in csv.DictReader(io.StringIO(table_of(rows)))]
    assert told[:4] == ["'=1+1", "'+1", "'-1", "'@x"]
    assert all(not one.startswith(("=", "+", "-", "@", "\t", "\r")) for one in told)
    assert told[6:] == ["plain", ""]


def test_runs_as_csv_keep_their_words_and_unknown_stays_empty() -> None:
    (row,) = csv.DictReader(io.StringIO(csv_of([RUN])))
    assert row["query"] == "'" + RUN.query
    assert (row["agents"], row["cost_usd"], row["known_cost_usd"]) == ("a, b", "", "0.002")
    assert csv_of([]) == ""


def test_runs_as_json_are_what_they_were() -> None:
    (row,) = json.loads(json_of([RUN]))
    assert (row["query"], row["agents"], row["cost_usd"]) == (RUN.query, ["a", "b"], None)


def test_spend_as_csv_tells_known_and_unknown_apart() -> None:
    spend = Spend(
        day=date(2026, 1, 15),
        user="ann",
        step="act",
        agent=None,
        model="main",
        calls=2,
        unknown=1,
        known_usd=Decimal("0.1"),
        input_tokens=10,
        output_tokens=5,
    )
    (row,) = csv.DictReader(io.StringIO(spend_csv([spend])))
    assert (row["known_usd"], row["cost_usd"], row["unknown_calls"]) == ("0.1", "", "1")
