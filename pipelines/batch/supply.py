"""What is asked next: rows put together as items, and held back where one must wait for another.

Two rows of one conversation are asked one after the other. Under a limit of money what a row may
cost is set aside until it is known what it did cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from threading import Event
from typing import Literal, TypeAlias

from ...values import JSON
from .output import Output
from .rows import Row

Word: TypeAlias = Literal["go", "wait", "no"]


@dataclass(slots=True, kw_only=True)
class Purse:
    """The money of a whole batch; `total_usd` None: no limit.

    A cost that is not known ends the batch under a limit, unless `allow_unpriced`.
    """

    output: Output
    total_usd: Decimal | None = None
    allow_unpriced: bool = False
    aside_usd: Decimal = Decimal(0)

    def word(self, row: Row) -> Word:
        """Say whether the row may be asked, or would have to wait for others to be paid."""
        if self.total_usd is None:
            return "go"
        left = self.total_usd - self.output.spent_usd
        if left <= 0 or self.unknown:
            return "no"
        needed = row.budget_usd or Decimal(0)
        if needed + self.aside_usd <= left:
            return "go"
        return "wait" if self.aside_usd else "no"

    @property
    def unknown(self) -> bool:
        """Whether it can't be told what is left."""
        return self.total_usd is not None and self.output.unpriced > 0 and not self.allow_unpriced


class Supply:
    """Gives out items of `size` rows until `stop` is set, and remembers which rows they are."""

    def __init__(self, rows: Iterable[Row], *, size: int, purse: Purse, stop: Event) -> None:
        self._rows = rows
        self._size = size
        self._purse = purse
        self._items: dict[int, tuple[Row, ...]] = {}
        self._count = 0
        self._talking: set[tuple[str, str]] = set()
        self._stop = stop

    def __iter__(self) -> Iterator[JSON | None]:
        """Yield items, and None where the next row must wait."""
        item: list[Row] = []
        for row in self._rows:
            if len(item) >= self._size and not _goes_on(item[-1], row):
                yield self._begin(item)
                item = []
            while (word := self._word(row)) != "go":
                if item:
                    yield self._begin(item)
                    item = []
                elif word == "wait":
                    yield None
                else:
                    return
            if self._stop.is_set():
                return
            self._purse.aside_usd += row.budget_usd or 0
            item.append(row)
        if item:
            yield self._begin(item)

    def ended(self, number: int) -> tuple[Row, ...]:
        """Return the rows of an item that has ended."""
        rows = self._items.pop(number)
        self._talking.difference_update(row.conversation for row in rows if row.conversation)
        self._purse.aside_usd -= sum(row.budget_usd or 0 for row in rows)
        return rows

    def _word(self, row: Row) -> Word:
        return "wait" if row.conversation in self._talking else self._purse.word(row)

    def _begin(self, rows: list[Row]) -> JSON:
        self._items[self._count] = tuple(rows)
        self._count += 1
        self._talking.update(row.conversation for row in rows if row.conversation)
        return [_asked(row) for row in rows]


def _goes_on(before: Row, row: Row) -> bool:
    return row.conversation is not None and row.conversation == before.conversation


def _asked(row: Row) -> JSON:
    if row.query is None:
        return {"error": row.error}
    return row.query.model_dump(mode="json", exclude={"id"}, exclude_none=True)
