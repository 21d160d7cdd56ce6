"""What was spent each day, by user, session, agent and model: sums that a limit reads quickly.

They are kept in the transaction that changes the ledger, and count as it does: what was settled,
and the bound of what is not known yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from ..values import Scope
from .allowance import Bound, Limit
from .tables import spending
from .upsert import upsert

_NAMED: Mapping[Bound, tuple[str, ...]] = {
    "session": ("user_id", "session"),
    "user": ("day", "user_id"),
    "agent": ("day", "agent"),
    "model": ("day", "model"),
    "day": ("day",),
}
"""By which columns what counts against a limit is found."""


class Key(NamedTuple):
    """Whose sum it is."""

    tenant: str
    day: str
    user_id: str
    session: str
    agent: str
    model: str


class Sums:
    """The sums as one transaction sees and changes them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._added: dict[Key, int] = {}

    def add(self, key: Key, nano: int) -> None:
        """Add to the sum of a key; `nano` may be negative. It stands there after `write`."""
        self._added[key] = self._added.get(key, 0) + nano

    def counted(self, limit: Limit, key: Key) -> int:
        """Return what counts against a limit on other than a run, in nano-USD."""
        names = _NAMED[limit.on]
        query = select(func.sum(spending.c.counted_nano)).where(spending.c.tenant == key.tenant)
        for name in names:
            query = query.where(spending.c[name] == getattr(key, name))
        added = sum(
            nano
            for one, nano in self._added.items()
            if all(getattr(one, name) == getattr(key, name) for name in ("tenant", *names))
        )
        return int(self._connection.execute(query).scalar() or 0) + added

    def write(self) -> None:
        """Store what was added, in the order of the keys: or two could wait for each other."""
        if self._added:
            self._connection.execute(
                upsert(self._connection, spending, adding="counted_nano"),
                [{**key._asdict(), "counted_nano": n} for key, n in sorted(self._added.items())],
            )


def key_of(scope: Scope, at: datetime, agent: str | None, model: str) -> Key:
    """Return whose sum a call at this time belongs to."""
    return Key(
        tenant=scope.tenant,
        day=at.date().isoformat(),
        user_id=scope.user,
        session=scope.session or "",
        agent=agent or "",
        model=model,
    )
