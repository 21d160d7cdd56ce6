"""Experts in the database: every change is counted, and only new files are read."""

from __future__ import annotations

import pytest

from callboard.errors import InvalidInput
from callboard.store.engine import Store
from callboard.values import Scope


def put(store: Store, scope: Scope, name: str, file: bytes = b"1", **given: bool) -> int:
    row = store.experts.put(
        scope, name, file, serves=["memory"], card={"n": name}, **{"replace": False, **given}
    )
    return row.seq


def test_the_same_expert_again_changes_nothing_and_another_needs_replace(
    store: Store, scope: Scope
) -> None:
    assert store.experts.seq(scope) == 0
    assert put(store, scope, "a") == 1
    assert put(store, scope, "a") == 1
    with pytest.raises(InvalidInput, match="another expert 'a'"):
        put(store, scope, "a", b"2")
    assert put(store, scope, "a", b"2", replace=True) == 2
    assert store.experts.since(scope, 0)[2] == {"a": b"2"}


def test_only_the_files_of_what_is_new_are_read(store: Store, scope: Scope) -> None:
    put(store, scope, "a")
    put(store, scope, "b", b"2")
    seq, rows, files = store.experts.since(scope, 1)
    assert (seq, [row.name for row in rows], files) == (2, ["a", "b"], {"b": b"2"})
    assert store.experts.remove(scope, "a")
    assert not store.experts.remove(scope, "a")
    seq, rows, files = store.experts.since(scope, 2)
    assert (seq, [row.name for row in rows], files) == (3, ["b"], {})
    (row,) = store.experts.list(scope)
    assert (row.serves, row.card, row.user) == (("memory",), {"n": "b"}, scope.user)


def test_tenants_have_experts_of_their_own(store: Store) -> None:
    ann, bob = Scope(tenant="acme"), Scope(tenant="umbrella")
    put(store, ann, "a", b"1")
    assert (store.experts.seq(bob), store.experts.list(bob)) == (0, ())
    put(store, bob, "a", b"2")
    assert store.experts.remove(bob, "a")
    assert store.experts.since(ann, 0)[2] == {"a": b"1"}
