from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from callboard.errors import InvalidInput
from callboard.store.chunks import Mark
from callboard.store.engine import Store


def texts(rows) -> list[str]:
    return [row.text for row in rows]


def test_a_chunk_comes_back_as_it_was_added(store: Store, chunk, clock, scope) -> None:
    row = chunk(
        "c1",
        vector=b"\x00\x01\x02\x03",
        trust=0.5,
        valid_from=clock() - timedelta(days=1),
        superseded_by="c0",
        expires_at=clock() + timedelta(days=1),
    )
    assert store.chunks.add(scope, [row]) == 1
    assert store.chunks.all(scope) == (replace(row, sequence=1),)


def test_a_chunk_added_twice_is_stored_once(store: Store, chunk, scope) -> None:
    assert store.chunks.add(scope, [chunk("a"), chunk("b")]) == 2
    assert store.chunks.add(scope, [chunk("b", text="changed"), chunk("c"), chunk("c")]) == 1
    assert texts(store.chunks.all(scope)) == ["a", "b", "c"]
    assert store.chunks.mark(scope) == Mark(sequence=3, erasures=0)


def test_an_index_reads_on_from_its_mark(store: Store, chunk, scope) -> None:
    store.chunks.add(scope, [chunk("a")])
    mark = store.chunks.mark(scope)
    store.chunks.add(scope, [chunk("b"), chunk("c")])
    assert texts(store.chunks.since(scope, mark.sequence)) == ["b", "c"]
    assert store.chunks.mark(scope).erasures == mark.erasures


def test_numbers_are_not_given_again_after_a_deletion(store: Store, chunk, scope) -> None:
    store.chunks.add(scope, [chunk("a"), chunk("b")])
    assert store.chunks.delete(scope, ["b", "unknown"]) == 1
    assert store.chunks.delete(scope, ["b"]) == 0
    assert store.chunks.mark(scope) == Mark(sequence=2, erasures=1)
    store.chunks.add(scope, [chunk("c")])
    assert [row.sequence for row in store.chunks.all(scope)] == [1, 3]


def test_chunks_come_in_the_order_asked_for(store: Store, chunk, scope) -> None:
    store.chunks.add(scope, [chunk(f"c{n}") for n in range(1200)])
    ids = [f"c{n}" for n in reversed(range(1200))]
    assert [row.id for row in store.chunks.get(scope, ["none", *ids])] == ids


def test_a_session_sees_and_deletes_its_own_chunks_only(store: Store, chunk, scope) -> None:
    user = replace(scope, session=None)
    store.chunks.add(user, [chunk("a", "s1"), chunk("b", "s2"), chunk("c", None)])
    assert texts(store.chunks.all(scope)) == ["a"]
    assert texts(store.chunks.get(scope, ["a", "b", "c"])) == ["a"]
    assert store.chunks.delete(scope, ["b"]) == 0
    assert store.chunks.delete_all(scope) == 1
    assert texts(store.chunks.all(user)) == ["b", "c"]
    assert store.chunks.delete_all(user) == 2


def test_a_chunk_of_another_session_is_refused(store: Store, chunk, scope) -> None:
    with pytest.raises(InvalidInput, match="'s2'"):
        store.chunks.add(scope, [chunk("a"), chunk("b", "s2")])
    assert store.chunks.all(scope) == ()
