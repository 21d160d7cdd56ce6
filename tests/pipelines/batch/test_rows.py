"""The lines of a batch's file."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from callboard.pipelines.batch.rows import mark_of, read_row


def row(said: Any, **usual: Any) -> Any:
    return read_row(7, json.dumps(said).encode() + b"\n", usual)


def test_a_row_says_what_it_wants_and_the_batch_says_the_rest() -> None:
    found = row({"query": "Why?", "user": "ann", "budget_usd": 0.02}, user="bob", memory="low")
    assert found.error is None
    assert (found.query.user, found.query.memory) == ("ann", "low")
    assert found.budget_usd == Decimal("0.02")


def test_the_id_is_the_rows_own_or_the_number_of_its_line() -> None:
    assert row({"query": "Why?"}).id == 7
    assert row({"query": "Why?", "id": "q-1"}).id == "q-1"
    assert row({"query": 5, "id": "q-1"}).id == "q-1"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"nonsense", "Line 7: Expecting value"),
        (b'["Why?"]', 'no JSON object like {"query": "..."}'),
        (b'{"quer": "Why?"}', "'quer' is not a known key: did you mean 'query'?"),
        (b'{"id": 3}', "'query': Field required"),
        (b'{"query": 5}', "'query': Input should be a valid string"),
        (b'{"query": "Why?", "budget_usd": -1}', "'budget_usd'"),
        (b'{"query": "Why?", "memory": "huge"}', "Input should be 'auto', 'low'"),
        (b'{"query": "\xff"}', "Line 7"),
        (b'{"query": "Why?", "id": [1]}', "Input should be a valid"),
    ],
)
def test_a_wrong_line_says_which_it_is_and_what_is_wrong(line: bytes, said: str) -> None:
    found = read_row(7, line, {})
    assert found.query is None
    assert found.error is not None
    assert said in found.error
    assert found.error.startswith("Line 7: ")


def test_the_mark_of_a_line_is_that_of_its_content() -> None:
    assert mark_of(b"one\r\n") == mark_of(b"one\n") == mark_of(b"one")
    assert mark_of(b"one") != mark_of(b"two")
