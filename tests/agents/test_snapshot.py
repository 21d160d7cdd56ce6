"""A snapshot that was brought up to date is the one that would be read afresh."""

from __future__ import annotations

import html
import json
import sqlite3
import textwrap
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.agents.registry import Registry
from callboard.agents.snapshot import TRAIL, Changes, Registered, Snapshot
from callboard.agents.spec import Agent
from callboard.store.engine import Store
from callboard.values import Scope

LOCAL = Scope()
FUNCTIONS = (json.loads, html.escape, textwrap.dedent)
"""Functions that every process finds by their names."""
BUNDLED = (
    Agent(name="beta", description="The bundled agent beta."),
    Agent(name="omega", description="The bundled agent omega."),
)
NAMES = st.sampled_from(["alpha", "beta", "gamma", "delta", "epsilon"])
TENANTS = count()


def agent(name: str, number: int = 0, **fields: object) -> Agent:
    return Agent.model_validate(
        {"name": name, "description": f"Answers about number {number}.", **fields}
    )


def following(index: dict[str, Registered], changes: Changes) -> dict[str, Registered]:
    """Change an index of live agents as a router would."""
    index = {name: one for name, one in index.items() if name not in changes.removed}
    return index | {one.agent.name: one for one in changes.changed}


def live(snapshot: Snapshot) -> dict[str, Registered]:
    return {one.agent.name: one for one in snapshot.live}


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry(store.agents, models={"main"}, bundled=BUNDLED)


# Changes from one snapshot to the next


def test_agents_that_did_not_change_are_the_same_objects(registry: Registry) -> None:
    registry.register_all(LOCAL, [agent("alpha"), agent("gamma")])
    before = registry.snapshot(LOCAL)
    registry.register(LOCAL, agent("delta"))
    registry.register(LOCAL, agent("alpha", 1), replace=True)
    after = registry.snapshot(LOCAL)
    assert after.by_name["gamma"] is before.by_name["gamma"]
    assert after.by_name["omega"] is before.by_name["omega"]
    assert [one.agent.name for one in after.agents] == ["alpha", "beta", "delta", "gamma", "omega"]


def test_the_changes_between_two_snapshots_are_of_live_agents_only(registry: Registry) -> None:
    registry.register_all(LOCAL, [agent("alpha"), agent("gamma"), agent("delta", enabled=False)])
    before = registry.snapshot(LOCAL)
    registry.register(LOCAL, agent("gamma", enabled=False), replace=True)
    registry.register(LOCAL, agent("delta", 1, enabled=False), replace=True)
    registry.register(LOCAL, agent("epsilon"))
    registry.register(LOCAL, agent("beta"))
    registry.unregister(LOCAL, "alpha")
    after = registry.snapshot(LOCAL)
    changes = after.changes_since(before)
    assert [one.agent.name for one in changes.changed] == ["beta", "epsilon"]
    assert changes.removed == ("alpha", "gamma")
    assert after.changes_since(after) == Changes(changed=(), removed=())
    back = before.changes_since(after)
    assert [one.agent.name for one in back.changed] == ["alpha", "beta", "gamma"]
    assert back.removed == ("epsilon",)


def test_a_function_that_arrives_is_one_change(registry: Registry) -> None:
    def one(query: str) -> str:
        return query

    registry.register_all(LOCAL, [agent("alpha"), agent("gamma")])
    registry.register(LOCAL, agent("delta"), function=one)
    before = registry.snapshot(LOCAL)

    def other(query: str) -> str:
        return query

    other.__qualname__ = one.__qualname__
    registry.register(LOCAL, agent("delta"), function=other)
    after = registry.snapshot(LOCAL)
    assert after.version == before.version
    (changed,) = after.changes_since(before).changed
    assert changed.function is other
    assert registry.snapshot(LOCAL) is after


def test_changes_are_known_from_long_ago_and_from_elsewhere(
    store: Store, registry: Registry
) -> None:
    first = registry.snapshot(LOCAL)
    for number in range(TRAIL + 2):
        registry.register(LOCAL, agent(f"agent{number}"))
        registry.snapshot(LOCAL)
    last = registry.snapshot(LOCAL)
    assert following(live(first), last.changes_since(first)) == live(last)
    elsewhere = Registry(store.agents, models={"main"}, bundled=BUNDLED).snapshot(LOCAL)
    assert following(live(elsewhere), last.changes_since(elsewhere)) == live(last)


def test_a_database_that_was_restored_from_a_backup_is_read_afresh(
    store: Store, registry: Registry, tmp_path: Path
) -> None:
    registry.register(LOCAL, agent("alpha"))
    file, backup = (sqlite3.connect(tmp_path / name) for name in ("agents.db", "backup.db"))
    file.backup(backup)
    registry.register(LOCAL, agent("gamma"))
    registry.register(LOCAL, agent("alpha", 1), replace=True)
    assert registry.get(LOCAL, "alpha").version == 2
    backup.backup(file)
    assert list(registry.snapshot(LOCAL).by_name) == ["alpha", "beta", "omega"]
    assert registry.get(LOCAL, "alpha").version == 1
    file.close()
    backup.close()


# Any sequence of changes

CHANGES = st.one_of(
    st.tuples(st.just("put"), NAMES, st.integers(0, 2)),
    st.tuples(st.just("hide"), NAMES, st.integers(0, 2)),
    st.tuples(st.just("function"), NAMES, st.integers(0, 2)),
    st.tuples(st.just("foreign model"), NAMES, st.integers(0, 2)),
    st.tuples(st.just("unreadable"), NAMES, st.integers(0, 2)),
    st.tuples(st.just("all"), st.lists(NAMES, unique=True), st.integers(0, 2)),
    st.tuples(st.just("remove"), NAMES, st.just(0)),
    st.tuples(st.just("look"), st.just(""), st.just(0)),
)


def change(registry: Registry, store: Store, scope: Scope, how: str, name: str, n: int) -> None:
    match how:
        case "put":
            registry.register(scope, agent(name, n), replace=True)
        case "hide":
            registry.register(scope, agent(name, n, enabled=False), replace=True)
        case "function":
            registry.register(scope, agent(name), function=FUNCTIONS[n], replace=True)
        case "foreign model":
            spec = agent(name, n, model="elsewhere").model_dump(mode="json")
            store.agents.put(scope, name, spec, replace=True)
        case "unreadable":
            store.agents.put(scope, name, {"name": name, "mood": n}, replace=True)
        case "all":
            registry.register_all(scope, [agent(each, n) for each in name], replace=True)
        case "remove":
            store.agents.remove(scope, name)
        case _:
            registry.snapshot(scope)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path_factory.mktemp('shared')}/agents.db")
    yield opened
    opened.close()


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 1), CHANGES), max_size=25))
def test_after_any_changes_a_snapshot_equals_one_that_is_read_afresh(
    shared: Store, steps: list[tuple[int, tuple[str, str, int]]]
) -> None:
    scope = Scope(tenant=f"t{next(TENANTS)}")

    def new() -> Registry:
        return Registry(shared.agents, models={"main"}, bundled=BUNDLED)

    both = (new(), new())
    indexed = [both[0].snapshot(scope), both[0].snapshot(scope)]
    indexes = [live(snapshot) for snapshot in indexed]
    for who, (how, name, number) in steps:
        change(both[who], shared, scope, how, name, number)
        if how == "look":
            now = both[who].snapshot(scope)
            indexes[who] = following(indexes[who], now.changes_since(indexed[who]))
            indexed[who] = now
            assert indexes[who] == live(now)
    for registry in both:
        found, fresh = registry.snapshot(scope), new().snapshot(scope)
        assert found == fresh
        assert found.by_name == fresh.by_name
        assert found.live == fresh.live
        assert found.detached == fresh.detached
        assert registry.snapshot(scope) is found


# Many agents


def newcomers_s(registry: Registry, scope: Scope, among: int) -> float:
    """Return the least time in which one more agent is registered and seen."""
    registry.register_all(scope, [agent(f"agent{number}") for number in range(among)])
    before = registry.snapshot(scope)
    took = []
    for number in range(9):
        start = time.perf_counter()
        registry.register(scope, agent(f"new{number}"))
        after = registry.snapshot(scope)
        assert len(after.changes_since(before).changed) == 1
        took.append(time.perf_counter() - start)
        before = after
    return min(took)


def test_one_agent_among_15000_is_not_registered_as_15000_are(registry: Registry) -> None:
    few = newcomers_s(registry, Scope(tenant="small"), 100)
    assert newcomers_s(registry, Scope(tenant="large"), 15_000) < 20 * few
