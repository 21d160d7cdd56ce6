from __future__ import annotations

from dataclasses import replace

from callboard.store.engine import Store


def test_known_texts_come_back_and_others_do_not(store: Store, scope) -> None:
    store.vectors.put(scope, "minilm", {"a": b"\x01", "b": b"\x02"})
    assert store.vectors.get(scope, "minilm", ["b", "c", "b"]) == {"b": b"\x02"}
    assert store.vectors.get(scope, "other", ["a"]) == {}
    assert store.vectors.get(replace(scope, session="s2"), "minilm", ["a"]) == {"a": b"\x01"}


def test_a_known_text_keeps_its_vector(store: Store, scope) -> None:
    store.vectors.put(scope, "minilm", {"a": b"\x01"})
    store.vectors.put(scope, "minilm", {"a": b"\x09", "b": b"\x02"})
    assert store.vectors.get(scope, "minilm", ["a", "b"]) == {"a": b"\x01", "b": b"\x02"}


def test_thousands_of_texts_go_in_and_out_at_once(store: Store, scope) -> None:
    vectors = {f"text {n}": n.to_bytes(4, "little") * 96 for n in range(5000)}
    store.vectors.put(scope, "minilm", vectors)
    assert store.vectors.get(scope, "minilm", list(vectors)) == vectors
    more = vectors | {f"more {n}": b"\x01" for n in range(700)}
    store.vectors.put(scope, "minilm", more)
    assert store.vectors.get(scope, "minilm", list(more)) == more
    assert store.vectors.get(scope, "minilm", []) == {}


def test_a_text_that_is_not_unicode_has_a_place_too(store: Store, scope) -> None:
    store.vectors.put(scope, "minilm", {"\ud83c": b"\x01"})
    assert store.vectors.get(scope, "minilm", ["\ud83c"]) == {"\ud83c": b"\x01"}
