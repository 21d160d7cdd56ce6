"""Keys of the HTTP API: found by how they begin, and known by the hash of the whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from ..errors import UnknownName
from ..records import ApiKey
from ..values import Scope
from .database import Database
from .tables import api_keys, scoped

NOTED_S = 60.0
"""The last use of a key is written at most this often."""


class Keys:
    """Stores keys, and counts the requests of those that are limited."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def add(self, key: ApiKey, digest: str) -> None:
        """Store a key; `digest` is the SHA-256 of its secret in hex."""
        row = {
            **scoped(key.scope),
            "id": key.id,
            "digest": digest,
            "name": key.name,
            "roles": list(key.roles),
            "agents": None if key.agents is None else list(key.agents),
            "per_minute": key.per_minute,
            "at_once": key.at_once,
            "created_at": key.created_at,
            "expires_at": key.expires_at,
            "minute": 0,
            "calls": 0,
            "calls_before": 0,
        }
        with self._database.writing() as connection:
            connection.execute(insert(api_keys), row)

    def find(self, id_: str) -> tuple[ApiKey, str] | None:
        """Return the key of any tenant that begins so, and the digest of its secret."""
        with self._database.reading() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.id == id_)).first()
        return None if row is None else (_key(row), row.digest)

    def list(self, tenant: Scope) -> tuple[ApiKey, ...]:
        """Return the keys of a tenant, the newest first, also those that are no longer good."""
        query = (
            select(api_keys)
            .where(api_keys.c.tenant == tenant.tenant)
            .order_by(api_keys.c.created_at.desc(), api_keys.c.id)
        )
        with self._database.reading() as connection:
            return tuple(_key(row) for row in connection.execute(query))

    def get(self, tenant: Scope, id_: str) -> ApiKey:
        """Return a key of a tenant.

        Raises:
            UnknownName: the tenant has no such key.
        """
        with self._database.reading() as connection:
            return _required(connection, tenant, id_)

    def end(self, tenant: Scope, id_: str, at: datetime) -> ApiKey:
        """Let a key be good until `at`, or until an earlier end that it has; return it.

        Raises:
            UnknownName: the tenant has no such key.
        """
        chosen = (api_keys.c.tenant == tenant.tenant, api_keys.c.id == id_)
        sooner = or_(api_keys.c.revoked_at.is_(None), api_keys.c.revoked_at > at)
        with self._database.writing() as connection:
            connection.execute(update(api_keys).where(*chosen, sooner).values(revoked_at=at))
            return _required(connection, tenant, id_)

    def used(self, key: ApiKey) -> None:
        """Note that a key was used, at most every `NOTED_S` seconds."""
        now = self._clock()
        if key.last_used_at is not None and now - key.last_used_at < timedelta(seconds=NOTED_S):
            return
        with self._database.writing() as connection:
            connection.execute(
                update(api_keys).where(api_keys.c.id == key.id).values(last_used_at=now)
            )

    def take(self, key: ApiKey) -> float:
        """Count a request against the key's limit; return the seconds to wait, 0: it may go on.

        All workers count together. The minute slides: what was asked in the one before counts by
        the share of it that lies within the last sixty seconds.
        """
        now = self._clock().timestamp()
        minute, passed = divmod(now, 60)
        chosen = select(api_keys).where(api_keys.c.id == key.id).with_for_update()
        with self._database.writing() as connection:
            row = connection.execute(chosen).first()
            if row is None or key.per_minute is None:
                return 0.0
            calls, before = row.calls, row.calls_before
            if row.minute != minute:
                calls, before = 0, row.calls if row.minute == minute - 1 else 0
            if calls + before * (1 - passed / 60) >= key.per_minute:
                return _wait(key.per_minute, calls, before, passed)
            counted = {"minute": int(minute), "calls": calls + 1, "calls_before": before}
            connection.execute(update(api_keys).where(api_keys.c.id == key.id).values(counted))
        return 0.0


def _required(connection: Connection, tenant: Scope, id_: str) -> ApiKey:
    query = select(api_keys).where(api_keys.c.tenant == tenant.tenant, api_keys.c.id == id_)
    row = connection.execute(query).first()
    if row is None:
        raise UnknownName(f"There is no key {id_!r}. 'callboard keys list' shows all.")
    return _key(row)


def _wait(limit: int, calls: int, before: int, passed: float) -> float:
    """Return the seconds until enough has slid out of the last minute for one request more."""
    if calls >= limit:
        return 61 - passed
    return 61 * (1 - (limit - calls) / before) - passed + 1


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        scope=Scope(tenant=row.tenant, user=row.user_id),
        name=row.name,
        roles=tuple(row.roles),
        agents=None if row.agents is None else tuple(row.agents),
        per_minute=row.per_minute,
        at_once=row.at_once,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
