"""Fans work out over a Ray cluster: Ray Data, with a pool of actors that hold a worker each.

The driver feeds items in and takes out what comes of them, so that few are under way and it alone
says what is next. What a lost node had under way is done again by the others.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext

from ... import errors
from ...agents.functions import resolve
from ...errors import CallboardError
from ...values import JSON
from .feed import DONE, Feed, FeedSource
from .work import Flow, Work, Worker

AT_ONCE = 2
"""Items that a worker has at a time: while the last query of one goes on, the next has begun."""

CPUS = 0.5
"""What Ray sets aside for a worker, so that those of a lost node find room on the others."""


def through_actors(
    work: Work, items: Iterable[JSON | None], workers: int
) -> Iterator[tuple[int, JSON]]:
    """Do the work by so many actors of the cluster that this process is in; see `fan_out`."""
    flow = Flow(items, workers * AT_ONCE)
    # Where the driver is: the feed and what reads it are lost only with the driver.
    here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
    feeding: Any = ray.remote(Feed)
    feed = feeding.options(num_cpus=0, label_selector=here).remote()

    def exchange(*done: int) -> None:
        new = {number: json.dumps(item) for number, item in flow.ready()}
        # Waited for: calls of an asynchronous actor may overtake each other.
        ray.get(feed.exchange.remote(new, done, last=flow.over))

    exchange()
    if flow.over:
        workers = min(workers, flow.count)
    for number, text in _made(work, workers, feed, here) if workers else ():
        if flow.done(number):
            yield number, _read(text)
            exchange(number)


class Actor:
    """A worker in a process of the cluster; what keeps it from working is told for every item."""

    def __init__(self, name: str, settings: str) -> None:
        self._error: CallboardError | None = None
        try:
            self._worker: Worker = resolve(name)(json.loads(settings))
        except CallboardError as error:
            self._error = error

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Return the number of the one item of `batch`, and what came of it."""
        (number,), (item,) = batch["number"], batch["item"]
        return {"number": [number], "made": [DONE if item == DONE else self._work(item)]}

    def _work(self, item: str) -> str:
        try:
            if self._error is not None:
                raise self._error
            return json.dumps({"made": self._worker(json.loads(item))})
        except CallboardError as error:
            return json.dumps({"failed": type(error).__name__, "why": str(error)})


def _read(text: str) -> JSON:
    said = json.loads(text)
    if "failed" in said:
        raise getattr(errors, said["failed"], CallboardError)(said["why"])
    return said["made"]


def _made(work: Work, workers: int, feed: Any, here: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Yield what the actors made of the items, as they come; of one perhaps twice."""
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.target_max_block_size = 1  # an item goes on at once, and not in a block with others
    with DataContext.current(context):
        made = ray.data.read_datasource(
            FeedSource(feed), override_num_blocks=1, num_cpus=0, label_selector=here
        ).map_batches(
            Actor,
            fn_constructor_args=(work.name, json.dumps(work.settings)),
            batch_size=None,
            num_cpus=CPUS,
            compute=ActorPoolStrategy(
                size=workers,
                max_tasks_in_flight_per_actor=AT_ONCE,
                max_concurrent_calls_per_actor=AT_ONCE,
                enable_true_multi_threading=True,
            ),
        )
    for batch in made.iter_batches(batch_size=None, prefetch_batches=0):
        for number, text in zip(batch["number"], batch["made"], strict=True):
            yield int(number), str(text)
