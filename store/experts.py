"""The experts of each tenant: files that read queries anew, and what they serve.

They belong to the tenant, as its agents do. Every change has a number per tenant, so that other
processes learn of it by one cheap SELECT, and read the files of what is new alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from ..errors import InvalidInput
from ..values import JSON, Scope
from .database import Database
from .tables import expert_marks, experts, scoped


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertRow:
    """An expert as it is stored, without its file. `seq` is the change with which it came."""

    name: str
    seq: int
    serves: tuple[str, ...]
    card: JSON
    created_at: datetime
    user: str


class ExpertRows:
    """Reads and changes the experts of a tenant."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def seq(self, scope: Scope) -> int:
        """Return the number of the tenant's last change; 0 before the first expert."""
        with self._database.reading() as connection:
            return _seq(connection, scope)

    def list(self, scope: Scope) -> tuple[ExpertRow, ...]:
        """Return the experts by name."""
        with self._database.reading() as connection:
            return _rows(connection, scope)

    def since(
        self, scope: Scope, seq: int
    ) -> tuple[int, tuple[ExpertRow, ...], Mapping[str, bytes]]:
        """Return the last change, all experts there are, and the files of those new after `seq`."""
        files = select(experts.c.name, experts.c.file).where(
            experts.c.tenant == scope.tenant, experts.c.seq > seq
        )
        with self._database.reading() as connection:
            last, rows = _seq(connection, scope), _rows(connection, scope)
            return last, rows, {row.name: row.file for row in connection.execute(files)}

    def put(
        self,
        scope: Scope,
        name: str,
        file: bytes,
        *,
        serves: Sequence[str],
        card: JSON,
        replace: bool,
    ) -> ExpertRow:
        """Store an expert; the same file that serves the same changes nothing.

        Raises:
            InvalidInput: the name is taken by another one and `replace` is False.
        """
        own = (experts.c.tenant == scope.tenant, experts.c.name == name)
        with self._writing(scope) as connection:
            old = connection.execute(select(experts).where(*own)).first()
            if old is not None and old.file == file and old.serves == list(serves):
                return _row(old)
            if old is not None and not replace:
                raise InvalidInput(
                    f"There is another expert {name!r}. Pass replace=True (--replace) to put this "
                    "one in its place, or make one of another name."
                )
            connection.execute(delete(experts).where(*own))
            row = {
                **scoped(scope),
                "name": name,
                "seq": _next_seq(connection, scope),
                "serves": list(serves),
                "card": card,
                "file": file,
                "created_at": self._clock(),
            }
            connection.execute(insert(experts), row)
            return _rows(connection, scope, *own)[0]

    def remove(self, scope: Scope, name: str) -> bool:
        """Remove an expert; False if there was none."""
        own = (experts.c.tenant == scope.tenant, experts.c.name == name)
        with self._writing(scope) as connection:
            gone = connection.execute(delete(experts).where(*own)).rowcount > 0
            if gone:
                _next_seq(connection, scope)
        return gone

    def _writing(self, scope: Scope) -> AbstractContextManager[Connection]:
        return self._database.writing(f"experts {scope.tenant}")


# Built once: queries ask for it twice a second.
_SEQ = select(expert_marks.c.seq).where(expert_marks.c.tenant == bindparam("tenant"))
_TOLD = [one for one in experts.c if one is not experts.c.file]


def _seq(connection: Connection, scope: Scope) -> int:
    return connection.execute(_SEQ, {"tenant": scope.tenant}).scalar() or 0


def _next_seq(connection: Connection, scope: Scope) -> int:
    """Count a change and return its number."""
    seq = _seq(connection, scope) + 1
    count = update(expert_marks).where(expert_marks.c.tenant == scope.tenant)
    if connection.execute(count.values(**scoped(scope), seq=seq)).rowcount == 0:
        connection.execute(insert(expert_marks), {**scoped(scope), "seq": seq})
    return seq


def _rows(connection: Connection, scope: Scope, *which: Any) -> tuple[ExpertRow, ...]:
    query = select(*_TOLD).where(experts.c.tenant == scope.tenant, *which)
    return tuple(_row(row) for row in connection.execute(query.order_by(experts.c.name)))


def _row(row: Row[Any]) -> ExpertRow:
    return ExpertRow(
        name=row.name,
        seq=row.seq,
        serves=tuple(row.serves),
        card=row.card,
        created_at=row.created_at,
        user=row.user_id,
    )
