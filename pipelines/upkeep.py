"""What a Board sees to beside its runs: what is too old goes, and what others erased is forgotten.

Runs on the Board's event loop until it is cancelled.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from ..config import RetentionSettings
from ..errors import StoreError
from ..store.engine import Store
from ..store.retention import BREATH_S
from ..store.users import ANYWHERE

_log = logging.getLogger(__name__)

LOOK_S = 2.0
"""How often it is looked whether something was erased."""
FIRST_S = 60.0
"""After this time it is pruned first: a script has ended by then."""
EVERY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """Looks after the store of one Board.

    `forget` drops what the process remembers of users' words; `retention` None: nothing is pruned.
    """

    store: Store
    forget: Callable[[], None]
    retention: RetentionSettings | None
    look_s: float = LOOK_S
    first_s: float = FIRST_S
    every_s: float = EVERY_S

    async def keep(self) -> None:
        """Look on and on; a database that can't be used for a while is asked again."""
        seen = None
        prune_at = time.monotonic() + self.first_s
        while True:
            with suppress(StoreError):
                mark = await self.store.call(self.store.chunks.mark, ANYWHERE)
                if seen is not None and mark.erasures != seen:
                    self.forget()
                seen = mark.erasures
                if self.retention is not None and time.monotonic() >= prune_at:
                    await self._prune(self.retention)
                    prune_at = time.monotonic() + self.every_s
            await asyncio.sleep(self.look_s)

    async def _prune(self, retention: RetentionSettings) -> None:
        gone = Counter[str]()
        while any((some := await self._some(retention)).values()):
            gone.update(some)
            await asyncio.sleep(BREATH_S)
        if gone.total():
            _log.info("What was too old was deleted", extra=dict(gone))

    async def _some(self, retention: RetentionSettings) -> dict[str, int]:
        return await self.store.call(self.store.retention.prune_some, retention)
