"""What was spent each day, by user, session, agent and model: sums that a limit reads quickly.

They are kept in the transaction that changes the ledger, and count as it does: what was settled,
and the bound of what is not known yet.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from ..values import Scope
from .allowance import Limit
from .tables import spending
from .upsert import upsert


def add(connection: Connection, key: dict[str, str], nano: int) -> None:
    """Add to a day's sum of one user, session, agent and model; `nano` may be negative."""
    connection.execute(
        upsert(connection, spending, adding="counted_nano"), {**key, "counted_nano": nano}
    )


def counted(connection: Connection, limit: Limit, key: dict[str, str]) -> int:
    """Return what counts against a limit on other than a run, in nano-USD."""
    columns = spending.c
    query = select(func.sum(columns.counted_nano)).where(columns.tenant == key["tenant"])
    names = {
        "session": ("user_id", "session"),
        "user": ("day", "user_id"),
        "agent": ("day", "agent"),
        "model": ("day", "model"),
        "day": ("day",),
    }[limit.on]
    for name in names:
        query = query.where(columns[name] == key[name])
    return int(connection.execute(query).scalar() or 0)


def key_of(scope: Scope, at: datetime, agent: str | None, model: str) -> dict[str, str]:
    """Return whose sum a call at this time belongs to."""
    return {
        "tenant": scope.tenant,
        "user_id": scope.user,
        "session": scope.session or "",
        "day": at.date().isoformat(),
        "agent": agent or "",
        "model": model,
    }
