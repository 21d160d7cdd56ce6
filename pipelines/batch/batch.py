"""A batch from its first line to its last: what is not done yet is asked and written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from threading import Event

from ...values import JSON
from ..fanning import Place, Work, fan_out
from .output import Output
from .rows import Row, read_lines, read_row
from .supply import Purse, Supply


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is asked, by what work, where, and what it may cost.

    `usual` is what holds for rows that do not say it; `size` rows are given out together.
    """

    file: Path
    out: Path
    work: Work
    place: Place
    route: bool
    size: int
    usual: Mapping[str, JSON] = field(default_factory=dict)
    retry_failed: bool = False
    total_usd: Decimal | None = None
    allow_unpriced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a batch is. `asked` rows were asked in `seconds`, the others before.

    `spent_usd` is what is known of the cost of all; that of `unpriced` rows is not.
    """

    total: int
    done: int
    failed: int
    asked: int
    seconds: float
    spent_usd: Decimal
    unpriced: int

    @property
    def left(self) -> int:
        """Rows that are not done."""
        return self.total - self.done

    @property
    def cost_usd(self) -> Decimal | None:
        """What all cost; None: that of some is not known."""
        return None if self.unpriced else self.spent_usd

    @property
    def rows_per_s(self) -> float:
        """Rows that were asked in a second."""
        return self.asked / self.seconds if self.seconds else 0.0


def run_batch(
    batch: Batch, told: Callable[[Standing], None], stop: Event | None = None
) -> Standing:
    """Ask what is not done yet, and return how far the batch is then.

    `told` is told how far it is after every item. When `stop` is set nothing more is asked, and
    what is under way is waited for.

    Raises:
        InvalidInput: the files do not belong together, or can't be read or written.
        CallboardError: no row can be asked; what is done is kept.
    """
    stop = stop or Event()
    with Output(batch.out, route=batch.route, retry_failed=batch.retry_failed) as output:
        total = output.check(batch.file)
        before, started = output.done, time.monotonic()
        purse = Purse(output=output, total_usd=batch.total_usd, allow_unpriced=batch.allow_unpriced)
        supply = Supply(_rows(batch, output), size=batch.size, purse=purse, stop=stop)

        def standing() -> Standing:
            return Standing(
                total=total,
                done=output.done,
                failed=output.failed,
                asked=output.done - before,
                seconds=time.monotonic() - started,
                spent_usd=output.spent_usd,
                unpriced=output.unpriced,
            )

        for number, outcomes in fan_out(batch.work, supply, batch.place):
            for row, outcome in zip(supply.ended(number), outcomes, strict=True):
                output.add(row, outcome)
            output.flush()
            told(standing())
        return standing()


def _rows(batch: Batch, output: Output) -> Iterator[Row]:
    for number, line in read_lines(batch.file):
        if not output.holds(number):
            yield read_row(number, line, batch.usual)
