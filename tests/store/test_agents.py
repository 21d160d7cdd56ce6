from __future__ import annotations

from collections.abc import Iterator

import pytest

from callboard.errors import InvalidInput, UnknownName
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
