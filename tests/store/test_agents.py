from __future__ import annotations

from collections.abc import Iterator

import pytest

from callboard.errors import InvalidInput, UnknownName
from callboard.store.agents import AgentRow
from callboard.store.engine import Store
from callboard.values import Scope


@pytest.fixture
def other(store: Store, url: str) -> Iterator[Store]:
    """A second store on the same file, as another process would have it."""
    other = Store.open(url)
    yield other
    other.close()


def test_what_one_store_registers_another_sees(store: Store, other: Store, scope: Scope) -> None:
    assert other.agents.snapshot(scope) == (0, ())
    row = store.agents.put(scope, "billing", {"description": "Invoices"}, replace=False)
    assert other.agents.version(scope) == 1
    assert other.agents.snapshot(scope) == (1, (row,))
    store.agents.remove(scope, "billing")
    assert other.agents.snapshot(scope) == (2, ())


def test_the_same_spec_again_changes_nothing(store: Store, clock, scope: Scope) -> None:
    first = store.agents.put(scope, "a", {"tags": ("x",), "n": 1}, replace=False)
    clock.forward(60)
    assert store.agents.put(scope, "a", {"n": 1, "tags": ["x"]}, replace=False) == first
    assert store.agents.version(scope) == 1


def test_another_spec_needs_replace(store: Store, clock, scope: Scope) -> None:
    first = store.agents.put(scope, "a", {"n": 1}, replace=False)
    with pytest.raises(InvalidInput, match=r"'a'.*replace=True"):
        store.agents.put(scope, "a", {"n": True}, replace=False)
    assert store.agents.snapshot(scope) == (1, (first,))
    clock.forward(60)
    second = store.agents.put(scope, "a", {"n": True}, replace=True)
    assert (second.version, second.created_at) == (2, first.created_at)
    assert second.updated_at > first.updated_at
    assert store.agents.get(scope, "a") == second
    assert store.agents.history(scope, "a") == (first, second)


def test_a_removed_agent_keeps_its_history_and_its_numbers(store: Store, scope: Scope) -> None:
    store.agents.put(scope, "a", {"n": 1}, replace=False)
    assert store.agents.remove(scope, "a")
    assert not store.agents.remove(scope, "a")
    with pytest.raises(UnknownName, match="'a'"):
        store.agents.get(scope, "a")
    store.agents.put(scope, "a", {"n": 1}, replace=False)
    history = store.agents.history(scope, "a")
    assert [(row.version, row.spec) for row in history] == [(1, {"n": 1}), (2, None), (3, {"n": 1})]
    assert store.agents.version(scope) == 3


def test_agents_belong_to_all_users_of_their_tenant_only(store: Store, scope: Scope) -> None:
    row = store.agents.put(scope, "a", {"n": 1}, replace=False)
    assert store.agents.all(Scope(tenant=scope.tenant, user="bob")) == (row,)
    assert store.agents.snapshot(Scope(tenant="other", user=scope.user)) == (0, ())


def test_agents_come_by_name(store: Store, scope: Scope) -> None:
    for name in ("b", "c", "a"):
        store.agents.put(scope, name, {}, replace=False)
    assert [row.name for row in store.agents.all(scope)] == ["a", "b", "c"]


# What changed


def names(rows: tuple[AgentRow, ...]) -> list[tuple[str, bool]]:
    return sorted((row.name, row.spec is not None) for row in rows)


def test_changes_are_what_other_stores_did_since_a_version(
    store: Store, other: Store, scope: Scope
) -> None:
    store.agents.put(scope, "a", {"n": 1}, replace=False)
    store.agents.put(scope, "b", {"n": 1}, replace=False)
    seen, _ = other.agents.snapshot(scope)
    assert other.agents.changes(scope, seen) == (2, ())
    changed = store.agents.put(scope, "a", {"n": 2}, replace=True)
    assert other.agents.changes(scope, seen) == (3, (changed,))
    store.agents.remove(scope, "b")
    version, rows = other.agents.changes(scope, seen)
    assert (version, names(rows)) == (4, [("a", True), ("b", False)])
    assert other.agents.changes(scope, version) == (4, ())


def test_an_agent_that_came_back_is_a_change_and_no_removal(store: Store, scope: Scope) -> None:
    store.agents.put(scope, "a", {"n": 1}, replace=False)
    store.agents.remove(scope, "a")
    back = store.agents.put(scope, "a", {"n": 2}, replace=False)
    assert store.agents.changes(scope, 1) == (3, (back,))
    store.agents.remove(scope, "a")
    assert names(store.agents.changes(scope, 1)[1]) == [("a", False)]


def test_agents_may_be_looked_at_among_the_changes(store: Store, scope: Scope) -> None:
    first = store.agents.put(scope, "a", {"n": 1}, replace=False)
    assert store.agents.changes(scope, 1, also=("a", "nobody")) == (1, (first,))
    second = store.agents.put(scope, "a", {"n": 2}, replace=True)
    assert store.agents.changes(scope, 1, also=("a",)) == (2, (second,))


def test_changes_of_one_tenant_are_not_those_of_another(store: Store, scope: Scope) -> None:
    store.agents.put(scope, "a", {"n": 1}, replace=False)
    assert store.agents.changes(Scope(tenant="other"), 0) == (0, ())


# Many at once


def test_many_agents_are_one_change(store: Store, scope: Scope) -> None:
    specs = {f"agent{n}": {"n": n} for n in range(1200)}
    first = store.agents.put(scope, "agent7", {"n": 7}, replace=False)
    rows = store.agents.put_all(scope, specs, replace=False)
    assert {row.name: row.spec for row in rows} == specs
    assert rows[7] == first
    assert store.agents.version(scope) == 2
    assert len(store.agents.changes(scope, 1)[1]) == 1199
    assert store.agents.put_all(scope, specs, replace=False) == rows
    assert store.agents.put_all(scope, {}, replace=False) == ()
    assert store.agents.version(scope) == 2


def test_many_agents_come_all_or_none(store: Store, clock, scope: Scope) -> None:
    first = store.agents.put(scope, "b", {"n": 1}, replace=False)
    store.agents.put(scope, "c", {"n": 1}, replace=False)
    specs = {name: {"n": 2} for name in "abc"}
    with pytest.raises(InvalidInput, match=r"2 agents.*'b', 'c'\. Pass replace=True"):
        store.agents.put_all(scope, specs, replace=False)
    assert [row.name for row in store.agents.all(scope)] == ["b", "c"]
    assert store.agents.version(scope) == 2
    clock.forward(60)
    rows = store.agents.put_all(scope, specs, replace=True)
    assert [row.version for row in rows] == [1, 2, 2]
    assert rows[1].created_at == first.created_at < rows[0].created_at
    assert store.agents.history(scope, "b") == (first, rows[1])
