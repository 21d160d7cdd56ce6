"""Forgetting a user: their runs are stopped, all that is kept is erased, and it is looked whether.

What processes remember of users' words goes too: here at once, elsewhere when they hear of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import InvalidInput, StoreError, UnknownName
from ..records import Forgotten
from ..store.users import DELETED, OF_TENANT
from ..values import EVERYONE, Scope

if TYPE_CHECKING:
    from .house import House

TRIES = 3
"""How often all is erased, if a process that stops slowly wrote something in between."""
_POLL_S = 0.1
_STOPS_S = 5.0
"""The time that another process has for stopping a run. After that its writes are refused."""


async def forget(house: House, scope: Scope) -> Forgotten:
    """Forget the user of a scope, and return what was erased.

    Raises:
        InvalidInput: the name stands for all users, or for those who were forgotten.
        StoreError: something is left, because the user asks on and on, or a log is being read.
    """
    if scope.user in (EVERYONE, DELETED):
        raise InvalidInput(f"The name {scope.user!r} is no user's. Name the user to be forgotten.")
    gone = Counter[str]()
    for _ in range(TRIES):
        await _stop(house, scope)
        gone += await asyncio.to_thread(house.store.users.forget, scope)
        house.forget()
        left = await asyncio.to_thread(house.store.users.kept, scope)
        if not left:
            named = {table.name for table in OF_TENANT}
            return Forgotten(
                tenant=scope.tenant,
                user=scope.user,
                deleted={name: gone[name] for name in gone if name not in named},
                anonymised={name: gone[name] for name in gone if name in named},
            )
    raise StoreError(
        f"Of the user {scope.user!r} something is left or came anew ({', '.join(left)}). "
        "Let nobody ask under this name, and forget it again."
    )


async def _stop(house: House, scope: Scope) -> None:
    """Stop the runs of the user; those of other processes within a time."""
    users = house.store.users
    going = await asyncio.to_thread(users.going, scope)
    if not going:
        return
    conductor = await house.conductor()
    for whose, run_id in going:
        with suppress(UnknownName):  # deleted meanwhile
            await conductor.cancel(whose, run_id)
        await conductor.wait(run_id)
    until = time.monotonic() + _STOPS_S
    while going and time.monotonic() < until:
        await asyncio.sleep(_POLL_S)
        going = await asyncio.to_thread(users.going, scope)
