"""What was changed, for whom it is, until when it holds - and what never comes back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from callboard.errors import InvalidInput, UnknownName
from callboard.memory.chunks import Turn
from callboard.store.chunks import ChunkRow
from callboard.store.engine import Store
from callboard.values import EVERYONE, Memo, Scope

from .conftest import Desk, desk

ME = Scope(user="me", session="s1")
YOU = Scope(user="you")
ALL = Scope(user=EVERYONE)
At = Callable[..., Desk]


async def remember(here: Desk, scope: Scope, text: str, run: str = "n1", **times: object) -> str:
    turn = Turn(writer="user", text=text, created_at=here.clock(), trust=1.0)
    (id_,) = await here.archive.add(scope, run, [turn], **times)  # type: ignore[arg-type]
    return id_


async def search(here: Desk, query: str, scope: Scope) -> list[str]:
    vector = here.encoder.encode([query])[0]
    return [one.row.text for one in await here.memory.search(scope, query, vector, k=10)]


# Versions ----------------------------------------------------------------------------------------


async def test_what_was_changed_comes_back_as_it_is_now_and_keeps_its_history(at: At) -> None:
    here = at()
    old = await remember(here, ME, "My cat is called Miso.")
    assert "Miso" in (await here.recall("What is my cat called?", ME)).text
    new = await here.archive.update(ME, old, "My cat is called Mochi.")
    memo = await here.recall("What is my cat called?", ME)
    assert "Mochi" in memo.text
    assert "Miso" not in memo.text
    newest = await here.archive.update(ME, new, "My cat is called Mango.")
    versions = here.store.chunks.versions(ME, new)
    assert [one.text for one in versions] == [
        f"user: My cat is called {name}." for name in ("Miso", "Mochi", "Mango")
    ]
    assert [one.superseded_by for one in versions] == [new, newest, None]
    assert [one.id for one in here.store.chunks.page(ME, now=here.clock(), limit=9)] == [newest]


async def test_another_process_sees_a_change_at_once(at: At, url: str) -> None:
    here = at()
    old = await remember(here, ME, "The code word is apple.")
    assert "apple" in (await here.recall("What is the code word?", ME)).text
    store = Store.open(url)
    await desk(store).archive.update(ME, old, "The code word is pear.")
    store.close()
    memo = await here.recall("What is the code word?", ME)
    assert ("pear" in memo.text, "apple" in memo.text) == (True, False)


async def test_deleting_takes_all_earlier_versions_with_it(at: At) -> None:
    here = at()
    old = await remember(here, ME, "The code word is apple.")
    middle = await here.archive.update(ME, old, "The code word is pear.")
    new = await here.archive.update(ME, middle, "The code word is plum.")
    other = await remember(here, ME, "The code word of the shed is fig.", run="n2")
    assert await here.archive.delete(ME, [new]) == 1
    assert here.store.chunks.get(ME, [old, middle, new]) == ()
    assert here.store.chunks.vectors(ME, here.encoder.name, [old, middle, new]) == {}
    assert here.store.chunks.versions(ME, new) == ()
    assert here.store.chunks.ids(ME) == {other}


async def test_what_is_not_there_is_not_changed(at: At) -> None:
    here = at()
    old = await remember(here, ME, "One.")
    new = await here.archive.update(ME, old, "Two.")
    for scope, id_ in ((ME, "unknown"), (ME, old), (YOU, new)):
        with pytest.raises(UnknownName, match="callboard memory list"):
            await here.archive.update(scope, id_, "Three.")
    for text, said in (("  ", "no text"), ("word " * 300, "Shorten it")):
        with pytest.raises(InvalidInput, match=said):
            await here.archive.update(ME, new, text)
    assert [one.text for one in here.store.chunks.page(ME, now=here.clock(), limit=9)] == [
        "user: Two."
    ]


def test_of_two_who_change_the_same_one_wins(at: At, store: Store) -> None:
    here = at()
    store.chunks.add(ME, [row(here, "a")])
    assert store.chunks.supersede(ME, "a", row(here, "b"))
    assert not store.chunks.supersede(ME, "a", row(here, "c"))
    assert store.chunks.ids(ME) == {"b"}


def row(here: Desk, id_: str) -> ChunkRow:
    return ChunkRow(
        id=id_, run_id="r", session="s1", writer="user", text=id_, created_at=here.clock(), tokens=1
    )


# Time --------------------------------------------------------------------------------------------


async def test_it_holds_from_its_beginning_to_its_end_and_at_no_other_time(at: At) -> None:
    here = at()
    begins, ends = here.clock() + timedelta(days=1), here.clock() + timedelta(days=3)
    await remember(here, ME, "The office is closed.", valid_from=begins, expires_at=ends)
    for days, there in ((0, False), (1, True), (1.5, True), (0.5, False), (9, False)):
        here.clock.forward(days=days)
        memo = await here.recall("Is the office closed?", ME)
        found = await search(here, "office closed", ME)
        listed = here.store.chunks.page(ME, now=here.clock(), limit=9)
        assert (bool(memo.text), bool(found), bool(listed)) == (there,) * 3, here.clock()


# For whom ----------------------------------------------------------------------------------------


async def test_what_is_for_one_agent_is_told_to_it_alone(at: At) -> None:
    here = at()
    await remember(here, ME, "The key of the server is under the mat.", run="n1")
    mine = Scope(user="me", agent="coder")
    await remember(here, mine, "The server runs on port 8000.", run="n2")
    common = await here.recall("Tell me about the server.", ME)
    assert "mat" in common.text
    assert "8000" not in common.text
    assert await here.memory.has_own(ME, "coder")
    assert not await here.memory.has_own(ME, "poet")
    assert not await here.memory.has_own(YOU, "coder")
    query = "Tell me about the server."
    vector = here.encoder.encode([query])[0]
    both = await here.memory.own_memo(ME, query, vector, "coder", common)
    assert "[1] user: The key of the server" in both.text
    assert "[2] user: The server runs on port 8000." in both.text
    assert both.chunk_ids == (*common.chunk_ids, "n2.0000")
    assert both.text.endswith(common.text)
    assert both.tokens == here.encoder.count_tokens(both.text)
    other = await here.memory.own_memo(ME, query, vector, "poet", common)
    assert other == common
    assert await search(here, query, mine) == ["user: The server runs on port 8000."]
    assert await search(here, query, ME.owner) == ["user: The key of the server is under the mat."]


async def test_an_agent_may_have_a_memory_where_there_is_no_other(at: At) -> None:
    here = at()
    await remember(here, Scope(user="me", agent="coder"), "Tabs, never blanks.")
    query = "tabs or blanks?"
    assert not (await here.recall(query, ME)).text
    own = await here.memory.own_memo(ME, query, here.encoder.encode([query])[0], "coder", Memo())
    assert "[1] user: Tabs, never blanks." in own.text


async def test_what_everyone_shares_is_recalled_for_all_and_changed_by_nobody_else(at: At) -> None:
    here = at()
    shared = await remember(here, ALL, "The canteen opens at noon.", run="doc")
    await remember(here, ME, "I like the canteen.", run="n1")
    memo = await here.recall("When does the canteen open?", ME)
    assert "noon" in memo.text
    assert "I like" in memo.text
    assert "noon" in (await here.recall("When does the canteen open?", YOU)).text
    assert "I like" not in (await here.recall("When does the canteen open?", YOU)).text
    assert await here.archive.delete(ME, [shared]) == 0
    assert await here.archive.delete_all(ME.owner) == 1
    assert "noon" in (await here.recall("When does the canteen open?", ME)).text
    elsewhere = Scope(tenant="other", user="me")
    assert not (await here.recall("When does the canteen open?", elsewhere)).text


async def test_a_session_narrows_what_is_searched(at: At) -> None:
    here = at()
    await remember(here, ME, "Blue paint.", run="n1")
    await remember(here, Scope(user="me", session="s2"), "Blue sky.", run="n2")
    assert await search(here, "blue", ME) == ["user: Blue paint."]
    assert len(await search(here, "blue", ME.owner)) == 2


# Nobody else's -----------------------------------------------------------------------------------


async def test_a_thousand_queries_of_one_never_find_what_is_another_s(at: At) -> None:
    here = at()
    draw = np.random.default_rng(0)
    words = [f"word{n}" for n in range(40)]
    ids: dict[Scope, set[str]] = {}
    scopes = [Scope(user="me"), YOU, Scope(tenant="other", user="me"), Scope(user="me", agent="a")]
    for scope in scopes:
        for n in range(30):
            text = " ".join(draw.choice(words, 6))
            run = f"{scope.tenant}-{scope.user}-{scope.agent}-{n}"
            ids.setdefault(scope, set()).add(await remember(here, scope, text, run=run))
    await here.archive.settle()
    for n in range(1000 if here.store.stacks is None else 100):  # a stack takes longer
        scope = scopes[n % len(scopes)]
        query = " ".join(draw.choice(words, 4))
        vector = here.encoder.encode([query])[0]
        found = {one.row.id for one in await here.memory.search(scope, query, vector, k=200)}
        assert found <= ids[scope]
        if scope.agent is None and n % 5 == 0:
            assert set((await here.recall(query, scope)).chunk_ids) <= ids[scope]
        others = [id_ for other in scopes if other.owner != scope.owner for id_ in ids[other]]
        assert here.store.chunks.get(scope, others) == ()


# A kill ------------------------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from callboard.config import MemorySettings
from callboard.memory.archive import Archive
from callboard.memory.chunks import Turn
from callboard.memory.embedding import Embedder
from callboard.search.encoders import load_encoder
from callboard.store.engine import Store
from callboard.values import Scope
from pathlib import Path

async def main():
    store = Store.open(sys.argv[1])
    embedder = Embedder(store, load_encoder("minilm", Path(sys.argv[2])))
    archive = Archive(store, embedder, MemorySettings(), lambda: datetime.now(UTC))
    n = 0
    while True:
        n += 1
        said = [Turn(writer="user", text=f"Note {n} part {p}.", created_at=datetime.now(UTC),
                     trust=1.0) for p in range(3)]
        ids = await archive.add(Scope(user="me"), f"r{n}", said)
        print(" ".join(ids), flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [5, 60])
def test_what_was_acknowledged_before_a_kill_is_there(tmp_path, lines: int) -> None:
    url = f"sqlite:///{tmp_path}/memory.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, url, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline() for _ in range(lines)]
    writer.kill()
    acknowledged += writer.stdout.read().splitlines(keepends=True)
    writer.wait()
    writer.stdout.close()
    ids = [id_ for line in acknowledged if line.endswith("\n") for id_ in line.split()]
    store = Store.open(url)
    rows = store.chunks.all(Scope(user="me"))
    assert set(ids) <= {row.id for row in rows}
    # A run is stored whole or not at all, and the numbers have no gap.
    assert len(rows) % 3 == 0
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
    store.close()
