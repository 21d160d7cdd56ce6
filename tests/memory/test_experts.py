"""A query as an expert reads it ranks what is remembered; what is near at all the base says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from experts_by_hand import leading

from callboard.memory.chunks import Turn
from callboard.memory.library import Library
from callboard.memory.shelf import Found, Shelf
from callboard.memory.stack import Stack
from callboard.search.query import QueryVectors
from callboard.values import Scope

from .conftest import Desk

ME = Scope(user="me")
At = Callable[..., Desk]
SAID = (
    "The garden gate squeaks whenever somebody opens it.",
    "Our train to Bergen leaves at seven from platform two.",
    "Grandmother keeps her recipes in a blue tin.",
)
GATE, TRAIN, _ = (f"user: {text}" for text in SAID)
"""As they are remembered."""
QUERY = "squeaks"


async def remembered(at: At, *owners: Scope) -> Desk:
    here = at()
    for owner in owners or (ME,):
        for number, text in enumerate(SAID):
            turn = Turn(writer="user", text=text, created_at=here.clock(), trust=1.0)
            await here.archive.add(owner, f"{owner.user}{number}", [turn])
    await here.archive.settle()
    return here


def found(here: Desk, vectors: QueryVectors) -> list[Found]:
    library = Library(
        here.store, here.memory._embedder, in_process=here.memory._settings.in_process_chunks
    )
    hits = library.of(ME).find(ME, QUERY, vectors, k=10, now=here.clock())
    assert isinstance(library.of(ME)._asked, Stack if here.store.stacks else Shelf)
    return hits


async def test_an_expert_ranks_and_the_cosines_stay_those_of_the_base(at: At) -> None:
    here = await remembered(at)
    (base,) = here.encoder.encode([QUERY])
    read = leading(here.encoder, QUERY, SAID[1]).adapt([QUERY], base[None])[0]
    without = found(here, QueryVectors(base))
    with_it = found(here, QueryVectors(base, read))
    assert without[0].row.text == GATE
    # Among what has no word of the query, meaning alone decides.
    unmatched = [one.row.text for one in with_it if not one.matched]
    assert unmatched[0] == TRAIN
    similar = {one.row.id: round(one.similarity, 3) for one in without}
    assert {one.row.id: round(one.similarity, 3) for one in with_it} == similar
    meaning = {one.row.text: one.signals["meaning"] for one in with_it}
    assert max(meaning, key=lambda text: meaning[text]) == TRAIN


async def test_a_query_that_the_base_finds_nothing_for_stays_without_a_memo(at: At) -> None:
    here = await remembered(at)
    query = "zeppelin"
    (base,) = here.encoder.encode([query])
    read = leading(here.encoder, query, SAID[1]).adapt([query], base[None])[0]
    assert float(read @ here.encoder.encode([SAID[1]])[0]) > 0.99
    assert await here.memory.search(ME, query, base, k=5, read={"memory": read}) == ()


async def test_what_reads_the_memory_of_a_user_does_not_read_knowledge(at: At) -> None:
    here = await remembered(at, ME, ME.everyone)
    (base,) = here.encoder.encode([QUERY])
    read = leading(here.encoder, QUERY, SAID[1]).adapt([QUERY], base[None])[0]

    async def nearest(scope: Scope, **given: Any) -> str:
        found = await here.memory.search(scope, SAID[1], base, k=9, **given)
        return max(found, key=lambda one: one.signals["meaning"]).row.text

    assert await nearest(ME, read={"memory": read}) == TRAIN
    assert await nearest(ME.everyone, read={"memory": read}) == GATE
    assert await nearest(ME.everyone, read={"knowledge": read}) == TRAIN
    assert np.isclose(float(np.linalg.norm(read)), 1.0)
