"""A line of a batch's file: what it asks, and the mark by which a rerun knows it again."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from ...config import explain
from ...errors import InvalidInput, nearest
from ...values import JSON, MemoryBudget


class Query(BaseModel):
    """What may stand in a line; what neither it nor the batch says is as the settings have it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: str
    id: StrictStr | StrictInt | None = None
    user: str = "local"
    session: str | None = None
    agents: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    memory: MemoryBudget | None = None
    budget_usd: Decimal | None = Field(default=None, ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line by its number, from 1. `query` None: it can't be asked, and `error` says why."""

    line: int
    id: str | int
    mark: str
    query: Query | None
    error: str | None = None

    @property
    def conversation(self) -> tuple[str, str] | None:
        """Whose conversation it belongs to; None: to none."""
        if self.query is None or self.query.session is None:
            return None
        return self.query.user, self.query.session

    @property
    def budget_usd(self) -> Decimal | None:
        """The most that it may cost; None: nothing is said."""
        return None if self.query is None else self.query.budget_usd


def read_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of `file` that are not blank, with their numbers from 1.

    Raises:
        InvalidInput: it can't be read.
    """
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.isspace():
                    yield number, line
    except OSError as error:
        raise InvalidInput(f"{str(file)!r} can't be read: {error.strerror}.") from error


def mark_of(line: bytes) -> int:
    """Return the checksum of a line, from 1; line ends do not count."""
    return zlib.crc32(line.rstrip(b"\r\n")) or 1


def read_row(number: int, line: bytes, usual: Mapping[str, JSON]) -> Row:
    """Return a line as a row; `usual` is what holds where it says nothing."""
    id_: str | int = number
    query, wrong = None, None
    try:
        said = json.loads(line)
        if not isinstance(said, dict):
            raise ValueError('it is no JSON object like {"query": "..."}')
        found = said.get("id")
        id_ = found if isinstance(found, str | int) and not isinstance(found, bool) else number
        for name in set(said) - set(Query.model_fields):
            raise ValueError(f"{name!r} is not a known key{nearest(name, Query.model_fields)}")
        query = Query.model_validate({**usual, **said})
    except ValidationError as error:
        wrong = explain(error, Query)
    except ValueError as error:
        wrong = str(error)
    return Row(
        line=number,
        id=id_,
        mark=f"{mark_of(line):08x}",
        query=query,
        error=f"Line {number}: {wrong}" if wrong else None,
    )
