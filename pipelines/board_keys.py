"""`board.keys`: who may use the HTTP API, as whom, and for what."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import TYPE_CHECKING, TypedDict, Unpack

from ..errors import InvalidInput
from ..records import ROLES, ApiKey, NewKey, Role
from ..values import EVERYONE, Scope

if TYPE_CHECKING:
    from .house import House

BEGINS = "cb_"
_SECRET = re.compile(r"(cb_[a-z0-9]{10})_[A-Za-z0-9_-]{43}")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


class Granting(TypedDict, total=False):
    """What a key allows, besides its user and name.

    roles: what it may do; `("ask",)` by default.
    agents: the only ones that it may call; None: all.
    expires_at: it is good until then; with a time zone.
    per_minute: requests, of all workers together; at_once: requests of one worker.
    """

    roles: Collection[Role]
    agents: Collection[str] | None
    expires_at: datetime | None
    per_minute: int | None
    at_once: int | None


class BoardKeys:
    """The keys of a tenant. Methods come in two forms: async and `*_sync`.

    A key is `cb_`, ten letters that name it, and 256 random bits; its hash alone is stored.
    """

    def __init__(self, house: Callable[[], House], tenant: Scope) -> None:
        self._house = house
        self._tenant = tenant

    async def create(self, user: str, name: str = "", **granting: Unpack[Granting]) -> NewKey:
        """Make a key for a user; its secret is told this once.

        Raises:
            InvalidInput: something that was said with it is wrong.
        """
        return await asyncio.to_thread(self.create_sync, user, name, **granting)

    def create_sync(self, user: str, name: str = "", **granting: Unpack[Granting]) -> NewKey:
        """`create`, for code that is not async."""
        now = datetime.now(UTC)
        agents = granting.get("agents")
        roles = granting.get("roles", ("ask",))
        key = ApiKey(
            id=BEGINS + "".join(secrets.choice(_LETTERS) for _ in range(10)),
            scope=replace(self._tenant, user=_checked_user(user)),
            name=name.strip(),
            roles=tuple(role for role in ROLES if role in roles),
            agents=None if agents is None else tuple(sorted(set(agents))),
            per_minute=granting.get("per_minute"),
            at_once=granting.get("at_once"),
            created_at=now,
            expires_at=granting.get("expires_at"),
        )
        _check(key, roles, now)
        return self._add(key)

    async def list(self) -> tuple[ApiKey, ...]:
        """Return all keys, the newest first, also those that are no longer good."""
        return await asyncio.to_thread(self.list_sync)

    def list_sync(self) -> tuple[ApiKey, ...]:
        """`list`, for code that is not async."""
        return self._house().store.keys.list(self._tenant)

    async def revoke(self, id_: str) -> ApiKey:
        """Let a key be good no more, from now on; the next request is refused.

        Raises:
            UnknownName: there is no such key.
        """
        return await asyncio.to_thread(self.revoke_sync, id_)

    def revoke_sync(self, id_: str) -> ApiKey:
        """`revoke`, for code that is not async."""
        return self._house().store.keys.end(self._tenant, id_, datetime.now(UTC))

    async def rotate(self, id_: str, *, overlap: timedelta = timedelta(0)) -> NewKey:
        """Make a key that allows the same, and let the old one be good for `overlap` more.

        Raises:
            UnknownName: there is no such key.
            InvalidInput: it is no longer good, or has expired by then.
        """
        return await asyncio.to_thread(self.rotate_sync, id_, overlap=overlap)

    def rotate_sync(self, id_: str, *, overlap: timedelta = timedelta(0)) -> NewKey:
        """`rotate`, for code that is not async."""
        now = datetime.now(UTC)
        old = self._house().store.keys.get(self._tenant, id_)
        if not old.good_at(now):
            raise InvalidInput(f"The key {id_!r} is no longer good. Create a new one.")
        made = self.create_sync(
            old.scope.user,
            old.name,
            roles=old.roles,
            agents=old.agents,
            expires_at=old.expires_at,
            per_minute=old.per_minute,
            at_once=old.at_once,
        )
        self._house().store.keys.end(self._tenant, id_, now + overlap)
        return made

    def known_sync(self, secret: str) -> ApiKey | None:
        """Return the key, of whatever tenant, that `secret` is, if it is good; None: it is none."""
        shape = _SECRET.fullmatch(secret)
        found = self._house().store.keys.find(shape[1]) if shape else None
        if found is None:
            return None
        key, digest = found
        # Compared in a time that tells nothing of how much of it is right.
        same = compare_digest(_digest(secret), digest)
        return key if same and key.good_at(datetime.now(UTC)) else None

    def take_sync(self, key: ApiKey) -> float:
        """Note a request of a key; return the seconds that it has to wait, 0: it may go on."""
        keys = self._house().store.keys
        if key.per_minute is not None and (wait_s := keys.take(key)):
            return wait_s
        keys.used(key)
        return 0.0

    def _add(self, key: ApiKey) -> NewKey:
        secret = f"{key.id}_{secrets.token_urlsafe(32)}"
        self._house().store.keys.add(key, _digest(secret))
        return NewKey(key=key, secret=secret)


def _digest(secret: str) -> str:
    # 256 random bits need no slow hash: nobody guesses them.
    return hashlib.sha256(secret.encode()).hexdigest()


def _checked_user(user: str) -> str:
    user = user.strip()
    if not user or user == EVERYONE or "/" in user or not user.isprintable():
        raise InvalidInput(
            f"user={user!r} can't have a key. Name a user without '/', which stands between a "
            f"key's user and those that it asks for, and other than {EVERYONE!r}."
        )
    return user


def _check(key: ApiKey, roles: Collection[str], now: datetime) -> None:
    unknown = sorted(set(roles) - set(ROLES))
    if unknown or not roles:
        raise InvalidInput(f"roles={list(roles)!r}: a key has one or more of {', '.join(ROLES)}.")
    if "admin" in key.roles and key.agents is not None:
        raise InvalidInput("An admin may make keys for all agents. Leave out agents, or admin.")
    if key.expires_at is not None and (key.expires_at.tzinfo is None or key.expires_at <= now):
        raise InvalidInput(
            f"expires_at={key.expires_at.isoformat()!r} is not in the future, or has no time zone."
        )
    for name, value in (("per_minute", key.per_minute), ("at_once", key.at_once)):
        if value is not None and value < 1:
            raise InvalidInput(f"{name}={value} must be 1 or more; leave it out for no limit.")
