"""How items get into Ray Data: one by one, as the driver gives them, and as often as is needed.

Ray Data reads from a source that may be read again, when a node is lost with what was read. So the
`Feed` keeps an item until the driver has what came of it; one that is asked for later is empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import ray
from ray.data import DataContext, Datasource
from ray.data.block import BlockMetadata
from ray.data.datasource import ReadTask

DONE = ""
"""Stands for an item that needs no work any more."""


class Feed:
    """The items under way, by number. An actor beside the driver, which fills and empties it."""

    def __init__(self) -> None:
        self._items: dict[int, str] = {}
        self._count = 0
        self._ended = False
        self._more = asyncio.Event()

    async def exchange(self, new: Mapping[int, str], done: Sequence[int], *, last: bool) -> None:
        """Take the next items, forget those that are done, and hear whether there will be more."""
        self._items.update(new)
        for number in done:
            del self._items[number]
        self._count += len(new)
        self._ended = last
        self._more.set()

    async def get(self, number: int) -> str | None:
        """Return an item when it is there, `DONE` if it is done, None after the last one."""
        while number >= self._count:
            if self._ended:
                return None
            self._more.clear()
            await self._more.wait()
        return self._items.get(number, DONE)


class FeedSource(Datasource):
    """A feed as Ray Data sees it: one task that reads item after item, each a row of its own."""

    def __init__(self, feed: Any) -> None:
        self._feed = feed

    def estimate_inmemory_data_size(self) -> int | None:
        """Nobody knows how many items there will be."""
        return None

    def get_read_tasks(
        self,
        parallelism: int,
        per_task_row_limit: int | None = None,
        data_context: DataContext | None = None,
    ) -> list[ReadTask]:
        """Return the one task."""
        feed = self._feed
        unknown = BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None, input_files=None)
        return [ReadTask(lambda: _read(feed), unknown)]


def _read(feed: Any) -> Iterator[pa.Table]:
    number = 0
    while (item := ray.get(feed.get.remote(number))) is not None:
        yield pa.table({"number": [number], "item": [item]})
        number += 1
