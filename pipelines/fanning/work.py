"""What is done with every item, and where; and the numbers of the items under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from ...agents.functions import portable, reference
from ...errors import InvalidInput
from ...values import JSON


class Worker(Protocol):
    """Does the work; called from two threads at a time where it is shared by them."""

    def __call__(self, item: JSON) -> JSON:
        """Return what comes of an item; the same item again gives the same."""

    def close(self) -> None:
        """Give up what is under way and let go of what is held."""


Make: TypeAlias = Callable[[JSON], Worker]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How a worker is made, in this process or another: `make(settings)`.

    `make` is a class or function of a module that can be imported wherever the work is done.

    Raises:
        InvalidInput: it is not.
    """

    make: Make
    settings: JSON = None

    def __post_init__(self) -> None:
        if not portable(self.name):
            raise InvalidInput(
                f"The work {self.name!r} can't be imported by another process. Define it at the "
                "top of a module."
            )

    @property
    def name(self) -> str:
        """`module:qualname` of what makes a worker."""
        return reference(self.make)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where work is done.

    `workers` are threads of this process that share one worker (None: one), or processes of a Ray
    cluster with a worker each (None: one per CPU). `address` is that of a Ray cluster; None: what
    RAY_ADDRESS says, or else one that is started on this machine and ended with the work.
    """

    on: Literal["local", "ray"] = "local"
    workers: int | None = None
    address: str | None = None


HERE = Place()


class Flow:
    """Numbers items, and lets `most` of them be under way at a time."""

    def __init__(self, items: Iterable[JSON | None], most: int) -> None:
        self._items = iter(items)
        self._most = most
        self._under_way: set[int] = set()
        self.count = 0
        self.over = False

    def ready(self) -> Iterator[tuple[int, JSON]]:
        """Yield the items that may begin now; each counts as under way until it is `done`."""
        while not self.over and len(self._under_way) < self._most:
            try:
                item = next(self._items)
            except StopIteration:
                self.over = True
                return
            if item is None:
                if not self._under_way:
                    raise RuntimeError("The items wait for one to end, and none is under way.")
                return
            self._under_way.add(self.count)
            self.count += 1
            yield self.count - 1, item

    def done(self, number: int) -> bool:
        """Say that an item is done; False if it was before."""
        there = number in self._under_way
        self._under_way.discard(number)
        return there
