"""The stacks of large memories in PostgreSQL: what is in them, and whose it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import psycopg
import pytest
from sqlalchemy import make_url

from callboard.app.readiness import database_check
from callboard.config import Settings
from callboard.store.chunks import ChunkRow, Embedded
from callboard.store.engine import Store
from callboard.store.look import Look
from callboard.store.stacked import StackedRow, Weights
from callboard.store.stacks import Stacks
from callboard.values import Scope

ANN = Scope(tenant="acme", user="ann")
WEIGHTS = Weights(words={"cat": 2.0, "dog": 1.0}, flat=0.3, slope=0.1)
TOWARDS = np.array([1, 0, 0], np.float32)


@pytest.fixture
def url(postgres: Any) -> str:
    return str(postgres.new_database())


@pytest.fixture
def stacks(store: Store) -> Stacks:
    assert store.stacks is not None
    return store.stacks


@pytest.fixture
def add(store: Store, stacks: Stacks, chunk: Callable[..., ChunkRow]) -> Callable[..., None]:
    """Store chunks and stack them: ids with their words, and a vector that is the more alike the
    fewer the words are."""

    def add(scope: Scope = ANN, /, names: str = "", **said: str) -> None:
        before = stacks.state(scope)
        rows = [
            chunk(
                id_,
                session=scope.session,
                agent=scope.agent,
                encoder="e",
                vector=np.array([1, len(text.split()), 0], "<f4").tobytes(),
            )
            for id_, text in said.items()
        ]
        store.chunks.add(scope, rows)
        last = store.chunks.mark(scope).sequence
        stacked = [
            StackedRow(
                id=row.id,
                session=row.session,
                thread=row.session or "none",
                sequence=last - len(rows) + number,
                agent=row.agent,
                day=number,
                length=1.0,
                asks=False,
                trust=1.0,
                words=said[row.id].split(),
                names=names.split(),
                encoder=row.encoder,
                vector=row.vector,
            )
            for number, row in enumerate(rows, 1)
        ]
        assert stacks.add(scope.owner, stacked, after=before.sequence, through=last)

    return add


@contextmanager
def look(stacks: Stacks, scope: Scope = ANN, encoder: str = "e") -> Iterator[Look]:
    with stacks.looking(scope, encoder, TOWARDS, most=10) as found:
        found.weigh(WEIGHTS, ("mel",))
        yield found


def near(stacks: Stacks, scope: Scope = ANN, **how: Any) -> list[str]:
    with look(stacks, scope) as found:
        return list(found.near(10, among=how.pop("among", None), **how).id)


def test_the_nearest_come_first_whether_an_index_is_asked_or_all_are_compared(
    stacks: Stacks, add
) -> None:
    add(a="x x x", b="x", c="x x")
    assert near(stacks) == near(stacks, among=10_000) == ["b", "c", "a"]


def test_words_are_counted_and_their_chunks_found(stacks: Stacks, add) -> None:
    add(a="cat cat x", b="dog", c="y")
    with look(stacks) as found:
        assert found.holders(["cat", "dog", "cow"], ["mel"]) == [1, 1, 0, 0]
        said = found.said(10, ["cat", "dog"])
        read = found.read(["a", "c"])
    assert said.id == ["a", "b"]
    assert said.words == pytest.approx([2 * 2 / (2 + 0.3 + 0.1 * 3), 1 / (1 + 0.3 + 0.1)])
    assert dict(zip(read.id, read.words, strict=True))["c"] == 0
    assert read.cosine == pytest.approx([1 / np.hypot(1, 3), 1 / np.hypot(1, 1)], abs=1e-3)


def test_writers_and_days_are_found(stacks: Stacks, add) -> None:
    add(names="mel", a="x x", b="x")
    add(c="x", d="x x")
    assert near(stacks, names=("mel",)) == ["b", "a"]
    assert near(stacks, days=(1, 1)) == ["c", "a"]
    assert near(stacks, days=(5, 9)) == []
    with look(stacks) as found:
        assert found.holders([], ["mel"]) == [2]
        read = found.read(["a", "c"])
    assert dict(zip(read.id, read.named, strict=True)) == {"a": True, "c": False}


def test_what_stands_around_is_of_the_same_thread(stacks: Stacks, add) -> None:
    one, other = replace(ANN, session="s1"), replace(ANN, session="s2")
    add(one, a="x", b="x")
    add(other, z="x")
    add(one, c="x", d="x")
    with look(stacks) as found:
        assert found.around([("s1", 4), ("s2", 3), ("s1", 6)]) == [
            (["b", "a"], ["d"]),
            ([], []),
            (["d", "c"], []),
        ]
        assert found.around([]) == []


def test_nobody_finds_what_is_another_s(stacks: Stacks, add) -> None:
    scopes = [
        Scope(tenant=tenant, user=user, session=session, agent=agent)
        for tenant in ("acme", "other")
        for user in ("ann", "bob")
        for session in (None, "s1")
        for agent in (None, "coder")
    ]
    for number, scope in enumerate(scopes):
        add(scope, names="mel", **{f"c{number}": "cat"})
    for scope in scopes:
        own = {
            f"c{number}"
            for number, one in enumerate(scopes)
            if one.owner == scope.owner
            and one.agent == scope.agent
            and scope.session in (None, one.session)
        }
        with look(stacks, scope) as found:
            for looked in (
                found.near(10, among=None),
                found.near(10, among=10_000),
                found.near(10, among=None, names=("mel",)),
                found.near(10, among=None, days=(0, 9)),
                found.said(10, ["cat"]),
            ):
                assert set(looked.id) == own
            assert found.holders(["cat"], ["mel"]) == [4, 4]
            assert len(found.read([f"c{number}" for number in range(len(scopes))]).id) == 4
        assert stacks.agents(scope) == {"coder"}


def test_what_is_deleted_is_gone_with_its_chunk(store: Store, stacks: Stacks, add) -> None:
    add(a="cat", b="cat")
    store.chunks.delete(ANN, ["a"])
    assert near(stacks) == ["b"]
    store.chunks.delete_all(ANN)
    assert near(stacks) == []


def test_what_was_replaced_goes_when_the_stack_is_pruned(
    store: Store, stacks: Stacks, add, chunk
) -> None:
    add(a="cat", b="cat")
    store.chunks.supersede(ANN, "a", chunk("new"))
    state = stacks.state(ANN)
    assert (state.erasures, state.mark.erasures) == (0, 1)
    stacks.prune(ANN)
    state = stacks.state(ANN)
    assert (state.erasures, state.chunks, state.words) == (1, 1, 1)
    assert near(stacks) == ["b"]
    with look(stacks) as found:
        assert found.holders(["cat"], []) == [1]


def test_vectors_that_come_later_are_taken_in(store: Store, stacks: Stacks, chunk) -> None:
    store.chunks.add(ANN, [chunk("a", session=None)])
    row = StackedRow(
        id="a", session=None, thread="t", sequence=1, agent=None, day=1, length=1.0, asks=False,
        trust=1.0, words=["cat"], names=[], encoder=None, vector=None,
    )  # fmt: skip
    assert stacks.add(ANN, [row], after=0, through=1)
    with look(stacks) as found:
        assert found.said(10, ["cat"]).cosine == [None]
    assert stacks.fill(ANN, limit=5) == 0
    made = Embedded(id="a", encoder="e", vector=TOWARDS.astype("<f4").tobytes(), tokens=b"")
    store.chunks.embed(ANN, [made])
    assert stacks.fill(ANN, limit=5) == 1
    assert near(stacks) == ["a"]
    with look(stacks, encoder="another") as found:
        assert found.near(10, among=None).id == ()


def test_of_two_that_stack_at_once_one_does(store: Store, stacks: Stacks, add, url: str) -> None:
    add(a="cat")
    assert not stacks.add(ANN, [], after=0, through=5)
    other = Store.open(url)
    assert other.stacks is not None
    with stacks._stacking(ANN):
        assert not other.stacks.add(ANN, [], after=1, through=1)
        assert other.stacks.fill(ANN, limit=1) == 0
    assert other.stacks.add(ANN, [], after=1, through=1)
    other.close()


def test_a_filter_that_leaves_few_in_the_index_loses_none(stacks: Stacks, add) -> None:
    for user in range(20):
        add(Scope(user=f"u{user}"), **{f"c{n}": "x " * (n + 1) for n in range(20)})
    for among in (None, 10_000):
        assert near(stacks, Scope(user="u7"), among=among) == [f"c{n}" for n in range(10)]


def test_without_the_extension_all_goes_on_and_doctor_says_so(url: str) -> None:
    parsed = make_url(url)
    with psycopg.connect(
        dbname=parsed.database, user=parsed.username, host=parsed.query["host"], autocommit=True
    ) as connection:
        # A user who may create tables, but no extension.
        role = f"plain_{parsed.database}"
        connection.execute(f'CREATE ROLE "{role}" LOGIN')
        connection.execute(f'GRANT ALL ON SCHEMA public TO "{role}"')
    plain = parsed.set(username=role).render_as_string(hide_password=False)
    store = Store.open(plain)
    assert store.stacks is None
    store.close()
    check = database_check(Settings(database_url=plain))
    assert check.state == "warn"
    assert "pgvector" in check.detail
    assert "callboard db upgrade" in check.fix
    store = Store.open(url)
    store.upgrade()
    store.close()
    store = Store.open(url)
    assert store.stacks is not None
    store.close()
    assert database_check(Settings(database_url=url)).state == "ok"
