"""Large memories: what their stack finds is what their shelf finds, and no less fresh."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from callboard.memory.chunks import Turn
from callboard.memory.library import Library
from callboard.memory.sheet import lay_out
from callboard.memory.shelf import Shelf
from callboard.memory.stack import Stack
from callboard.search.query import QueryVectors
from callboard.store.engine import Store
from callboard.store.stacked import Looked
from callboard.values import Scope

from .conftest import Desk

ME = Scope(user="me")
At = Callable[..., Desk]
WORDS = [f"word{n}" for n in range(300)]


@pytest.fixture
def url(migrated: Callable[[], str]) -> str:
    return migrated()


async def converse(here: Desk, sessions: int, turns: int, **fields: Any) -> None:
    """Store sessions of turns of two, in words of which some are rare."""
    draw = random.Random(0)
    weights = [1 / (n + 1) for n in range(len(WORDS))]
    for session in range(sessions):
        said = [
            Turn(
                writer=("Ann", "Bob")[turn % 2],
                text=" ".join(draw.choices(WORDS, weights, k=draw.randint(4, 12))),
                created_at=here.clock() + timedelta(days=session),
                trust=1.0,
            )
            for turn in range(turns)
        ]
        await here.archive.add(Scope(user="me", session=f"s{session}"), f"r{session}", said)
    await here.archive.settle()


def library(here: Desk, in_process: int) -> Library:
    return Library(here.store, here.memory._embedder, in_process=in_process)


def found(library: Library, here: Desk, query: str, scope: Scope = ME, k: int = 10) -> list[str]:
    vectors = QueryVectors(here.encoder.encode([query])[0])
    hits = library.of(scope.owner).find(scope, query, vectors, k=k, now=here.clock())
    return [one.row.id for one in hits]


async def test_the_stack_finds_what_the_shelf_finds_in_the_same_order(at: At) -> None:
    here = at()
    await converse(here, sessions=30, turns=20)
    stack, shelf = library(here, 0), library(here, 10_000)
    same = 0
    for n in range(20):
        query = f"What did Ann say of {WORDS[5 * n]} and {WORDS[7 * n]}?"
        one, other = found(stack, here, query), found(shelf, here, query)
        assert one[0] == other[0]
        same += len(set(one) & set(other))
    assert same >= 0.95 * 20 * 10
    assert isinstance(stack.of(ME)._asked, Stack)
    assert isinstance(shelf.of(ME)._asked, Shelf)


async def test_what_was_just_said_is_found_before_it_is_stacked(at: At, store: Store) -> None:
    here = at()
    await converse(here, sessions=3, turns=20)
    assert store.stacks is not None
    stack = library(here, 0)
    assert found(stack, here, "quokka") != []
    behind = store.stacks.state(ME).behind
    said = [
        Turn(writer="Bob", text=text, created_at=here.clock(), trust=1.0)
        for text in ("Have you seen a quokka?", "Yes, on Rottnest.")
    ]
    ids = await here.archive.add(Scope(user="me", session="s2"), "new", said)
    assert store.stacks.state(ME).behind == behind + 2
    assert found(stack, here, "quokka")[0] == ids[0]
    # The answer is found by the question before it.
    assert ids[1] in found(stack, here, "Who saw a quokka?", k=20)
    await here.archive.delete(ME, [ids[0]])
    assert ids[0] not in found(stack, here, "quokka", k=100)


async def test_what_is_replaced_or_deleted_in_the_stack_is_not_found(at: At) -> None:
    here = at()
    await converse(here, sessions=2, turns=20)
    stack = library(here, 0)
    first, second = found(stack, here, "word3 word7")[:2]
    new = await here.archive.update(ME, first, "word3 word7 indeed")
    await here.archive.delete(ME, [second])
    left = found(stack, here, "word3 word7", k=100)
    assert new in left
    assert not {first, second} & set(left)
    assert stack.of(ME).rows([first, second, new])[0].id == new


async def test_a_memory_is_stacked_when_it_grows_large(at: At, store: Store) -> None:
    assert store.stacks is not None
    here = at(in_process_chunks=30)
    await converse(here, sessions=1, turns=20)
    both = library(here, 30)
    assert len(found(both, here, "word1", k=100)) == 20
    assert store.stacks.state(ME).chunks == 0
    await here.archive.add(
        ME, "more", [Turn(writer="Ann", text=f"word1 {n}", created_at=here.clock(), trust=1.0)
                     for n in range(20)],
    )  # fmt: skip
    assert len(found(both, here, "word1", k=100)) == 40
    await here.archive.settle()
    assert store.stacks.state(ME).chunks == 40
    assert len(found(both, here, "word1", k=100)) == 40
    assert isinstance(both.of(ME)._asked, Stack)


async def test_until_it_is_stacked_a_large_memory_stands_on_its_shelf(at: At) -> None:
    here = at(in_process_chunks=10_000)
    await converse(here, sessions=2, turns=20)
    large = library(here, 0)
    assert len(found(large, here, "word1", k=100)) == 40
    assert isinstance(large.of(ME)._asked, Shelf)


async def test_a_session_and_an_agent_find_what_is_theirs(at: At) -> None:
    here = at()
    await converse(here, sessions=3, turns=20)
    own = Scope(user="me", agent="coder")
    (id_,) = await here.archive.add(
        own, "own", [Turn(writer="Ann", text="word1", created_at=here.clock(), trust=1.0)]
    )
    stack = library(here, 0)
    assert found(stack, here, "word1", own, k=100) == [id_]
    assert id_ not in found(stack, here, "word1", k=100)
    of_one = found(stack, here, "word1", Scope(user="me", session="s1"), k=100)
    assert len(of_one) == 20
    assert all(one.startswith("r1.") for one in of_one)
    assert stack.of(ME).has("coder")
    assert not library(here, 0).of(ME).has("nobody")


def test_chunks_between_which_one_is_left_out_are_no_neighbours() -> None:
    part = Looked(
        id=["c", "a", "d", "z"],
        thread=["s", "s", "s", "t"],
        sequence=[3, 1, 4, 2],
        day=[1] * 4,
        length=[1.0] * 4,
        asks=[False] * 4,
        trust=[1.0] * 4,
        meant=[True] * 4,
        named=[False] * 4,
        words=[3.0, 1.0, 4.0, 2.0],
        cosine=[0.5, None, 0.5, 0.5],
    )
    sheet = lay_out([part, part], {("c", "d")})
    assert sheet.ids == ["a", "c", "d", "z"]
    assert sheet.layout.session.tolist() == [0, 0, 0, 1]
    assert sheet.layout.stretch.tolist() == [0, 1, 1, 2]
    assert sheet.words.tolist() == [1, 3, 4, 2]
