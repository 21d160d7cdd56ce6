"""What turns leave in a real PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.benchmarks.footprint import measure_footprint
from callboard.errors import InvalidInput


def test_every_table_is_measured_and_the_sum_is_right(postgres: Any) -> None:
    url = postgres.new_database()
    found = measure_footprint(url, turns=4, users=2)
    tables = found["bytes_by_table"]
    assert {"runs", "steps", "events", "chunks", "ledger"} <= set(tables)
    assert found["bytes"] == pytest.approx(sum(tables.values()), abs=len(tables))
    assert found["rows_by_table"]["runs"] == 1
    assert found["rows_by_table"]["chunks"] == 2
    assert found["transactions"] > found["writing"] > 1
    with pytest.raises(InvalidInput, match="holds runs"):
        measure_footprint(url, turns=1, users=1)


def test_another_database_is_refused() -> None:
    with pytest.raises(InvalidInput, match="PostgreSQL"):
        measure_footprint("sqlite:///x.db", turns=1, users=1)
