"""The signals of the ranking, and the days that a query names."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from callboard.memory.columns import Columns, day_number
from callboard.memory.days import named_days
from callboard.memory.ranking import LOW, MID, SIGNALS, Days, signals, weighted
from callboard.memory.tokens import Tokens
from callboard.store.chunks import ChunkRow
from callboard.values import Scope

from .conftest import WordEncoder

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)


def row(number: int, session: str = "s", **fields: object) -> ChunkRow:
    values = {"writer": "Ann", "text": f"text {number}", "created_at": NOW, "tokens": 8}
    return ChunkRow(
        id=f"r.{number:04d}", run_id="r", session=session, sequence=number, **(values | fields)
    )  # type: ignore[arg-type]


def laid(*rows: ChunkRow):
    columns = Columns()
    for slot, one in enumerate(rows):
        columns.put(slot, one)
    slots, layout = columns.layout(np.arange(len(rows)))
    return columns, slots, layout


def test_chunks_lie_by_session_in_the_order_of_saying() -> None:
    rows = (row(3, "b"), row(1, "a"), row(4, "a"), row(2, "b"))
    _, slots, layout = laid(*rows)
    assert [rows[slot].sequence for slot in slots] == [2, 3, 1, 4]
    assert layout.session.tolist() == [0, 0, 1, 1]
    assert layout.starts.tolist() == [0, 2]


def test_what_is_said_around_a_chunk_counts_within_its_session_only() -> None:
    _, _, layout = laid(row(1, "a"), row(2, "a"), row(3, "a"), row(4, "b"))
    words = np.array([3.0, 0.0, 0.0, 9.0])
    zeros = np.zeros(4)
    found = signals(layout, words=words, meaning=zeros, named=zeros)
    said = found["words"]
    assert found["words_before"].tolist() == [0, said[0], said[1], 0]
    assert found["words_after"].tolist() == [said[1], said[2], 0, 0]
    assert found["words_two_before"].tolist() == [0, 0, said[0], 0]
    assert found["words_two_after"].tolist() == [said[2], 0, 0, 0]
    assert found["session"][3] == pytest.approx(said[3])


def test_who_is_named_in_the_query_is_meant() -> None:
    columns, slots, _ = laid(row(1), row(2, writer="Bob"), row(3, writer="user"))
    assert columns.named("What did Bob say?", slots).tolist() == [0, 1, 0]
    assert columns.named("What was said to a user?", slots).tolist() == [0.5] * 3


def test_what_was_said_in_the_week_after_the_days_named_is_near_them() -> None:
    day = day_number(NOW.timestamp())
    rows = [row(n, created_at=datetime(2026, 5, 18 + n, 12, tzinfo=UTC)) for n in range(4)]
    _, _, layout = laid(*rows)
    zeros = np.zeros(4)
    found = signals(
        layout, words=zeros, meaning=zeros, named=zeros, days=[Days(first=day - 1, last=day)]
    )
    assert found["dated"].tolist() == pytest.approx([0, 1, 1, 6 / 7])


def test_every_weight_is_of_a_signal() -> None:
    assert set(LOW) <= set(MID) <= set(SIGNALS)
    assert weighted({"words": np.ones(2), "dated": np.array([0.0, 2.0])}, LOW) == pytest.approx(
        [LOW["words"], LOW["words"] + 2 * LOW["dated"]]
    )


def test_a_scope_means_its_agent_and_its_session() -> None:
    columns, slots, _ = laid(row(1), row(2, "t"), row(3, agent="coder"))
    for scope, meant in (
        (Scope(), [True, True, False]),
        (Scope(session="t"), [False, True, False]),
        (Scope(session="unknown"), [False] * 3),
        (Scope(agent="coder"), [False, False, True]),
        (Scope(agent="unknown"), [False] * 3),
    ):
        found = columns.meant(scope, slots)
        by_number = dict(zip(slots.tolist(), found.tolist(), strict=True))
        assert [by_number[n] for n in range(3)] == meant
    assert columns.has("coder")
    assert not columns.has("poet")


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("What did I say yesterday?", ("2026-05-19", "2026-05-19")),
        ("What happened on 7 May 2023?", ("2023-05-07", "2023-05-07")),
        ("What did we plan in June 2025?", ("2025-06-01", "2025-06-30")),
        ("Where was I in 2024?", ("2024-01-01", "2024-12-31")),
    ],
)
def test_days_weeks_months_and_years_are_named(query: str, days: tuple[str, str]) -> None:
    (found,) = named_days(query, NOW)
    first, last = (
        day_number(datetime.fromisoformat(one).replace(tzinfo=UTC).timestamp()) for one in days
    )
    assert (found.first, found.last) == (first, last)


def test_a_query_without_a_date_names_no_days() -> None:
    assert named_days("What does my cat eat at 9 am?", NOW) == ()


def test_tokens_are_compared_and_stop_words_are_not_kept() -> None:
    encoder = WordEncoder(dim=384)
    tokens = Tokens(encoder)
    asked, near, far, empty = encoder.read(["red apples", "the apples are red", "blue boats", ""])
    packed = [tokens.pack(one) for one in (near, far, empty)]
    found = tokens.similarities(asked, packed)
    assert found[0] > 0.9
    assert found[1] < 0.5
    assert found[2] == 0
    assert tokens.similarities(asked, []).shape == (0,)
    assert len(packed[0]) < 2 * (128 + 8) + 8
