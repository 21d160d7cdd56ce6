from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from callboard.search.batcher import BATCH_TEXTS, Batcher


class Lengths:
    """Encodes a text as its length; keeps the batches, and waits while `gate` is shut."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.threads: set[int] = set()
        self.busy = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def encode(self, texts: Sequence[str]) -> list[int]:
        self.batches.append(list(texts))
        self.threads.add(threading.get_ident())
        self.busy.set()
        assert self.gate.wait(30)
        if "broken" in texts:
            raise ValueError("broken")
        return [len(text) for text in texts]

    async def until_busy(self) -> None:
        while not self.busy.is_set():
            await asyncio.sleep(0.001)
        self.busy.clear()


async def test_what_is_asked_within_one_tick_is_one_batch_in_one_thread() -> None:
    lengths = Lengths()
    batcher = Batcher(lengths.encode)
    found = await asyncio.gather(*(batcher.encode(["x" * n]) for n in range(BATCH_TEXTS)))
    assert found == [[n] for n in range(BATCH_TEXTS)]
    assert len(lengths.batches) == 1
    assert lengths.threads.isdisjoint({threading.get_ident()})


async def test_what_comes_while_it_works_waits_together() -> None:
    lengths = Lengths()
    lengths.gate.clear()
    batcher = Batcher(lengths.encode)
    first = asyncio.ensure_future(batcher.encode(["first"]))
    # That the loop gets here at all shows that encoding does not block it.
    await lengths.until_busy()
    others = [asyncio.ensure_future(batcher.encode([text])) for text in ("b", "c")]
    await asyncio.sleep(0)
    lengths.gate.set()
    await asyncio.gather(first, *others)
    assert lengths.batches == [["first"], ["b", "c"]]


async def test_many_texts_come_back_in_their_order() -> None:
    lengths = Lengths()
    texts = ["x" * (n * 37 % 5000) for n in range(200)]
    found = await Batcher(lengths.encode).encode(texts)
    assert found == [len(text) for text in texts]
    assert max(len(batch) for batch in lengths.batches) <= BATCH_TEXTS


async def test_a_query_does_not_wait_for_a_whole_archive() -> None:
    lengths = Lengths()
    lengths.gate.clear()
    batcher = Batcher(lengths.encode)
    archive = asyncio.ensure_future(batcher.encode(["chunk " * 200] * 100))
    await lengths.until_busy()
    query = asyncio.ensure_future(batcher.encode(["query"]))
    await asyncio.sleep(0)
    lengths.gate.set()
    await query
    assert lengths.batches[1][0] == "query"
    assert not archive.done()
    assert len(await archive) == 100


async def test_an_error_reaches_those_who_were_in_the_batch_and_the_next_one_works() -> None:
    batcher = Batcher(Lengths().encode)
    found = await asyncio.gather(
        batcher.encode(["a"]), batcher.encode(["broken"]), return_exceptions=True
    )
    assert [str(error) for error in found] == ["broken", "broken"]
    assert await batcher.encode(["fine"]) == [4]


async def test_what_was_given_up_while_it_waited_is_not_encoded() -> None:
    lengths = Lengths()
    lengths.gate.clear()
    batcher = Batcher(lengths.encode)
    first = asyncio.ensure_future(batcher.encode(["first"]))
    await lengths.until_busy()
    given_up = asyncio.ensure_future(batcher.encode(["given up"]))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    lengths.gate.set()
    await first
    await batcher.encode(["last"])
    assert lengths.batches == [["first"], ["last"]]


async def test_no_text_is_no_error() -> None:
    assert await Batcher(Lengths().encode).encode([]) == []


def test_it_serves_one_event_loop_after_the_other() -> None:
    batcher = Batcher(Lengths().encode)
    for text in ("a", "bb", "ccc"):
        assert asyncio.run(batcher.encode([text])) == [len(text)]
