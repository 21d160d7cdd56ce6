"""`board.records`: what all runs tell, as users of a Board look back at them.

Reads go straight to the database, in the caller's thread: they wait for no run, and none for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict, Unpack

from ..records import AgentFigures, RunFilter, RunPage, Spend, TurnFigures
from ..store.agents import AgentRow
from ..values import Event, Run, Scope
from .figures import agent_figures, turn_figures

if TYPE_CHECKING:
    from .house import House


class Between(TypedDict, total=False):
    """Of what time and whom.

    since, until: from this instant on, and before that one; None does not narrow.
    user: "local" by default; None means all users.
    """

    since: datetime | None
    until: datetime | None
    user: str | None


class BoardRecords:
    """The records of a Board. Methods come in two forms: async and `*_sync`."""

    def __init__(self, house: Callable[[], House], tenant: Scope) -> None:
        self._house = house
        self._tenant = tenant.tenant

    async def runs(
        self,
        chosen: RunFilter | None = None,
        *,
        limit: int = 50,
        offset: int = 0,
        user: str | None = "local",
    ) -> RunPage:
        """Return the runs that `chosen` means, newest first, without their steps; None: all."""
        return await asyncio.to_thread(
            self.runs_sync, chosen, limit=limit, offset=offset, user=user
        )

    def runs_sync(
        self,
        chosen: RunFilter | None = None,
        *,
        limit: int = 50,
        offset: int = 0,
        user: str | None = "local",
    ) -> RunPage:
        """`runs`, for code that is not async."""
        return self._house().store.summaries.page(
            self._scope(user),
            chosen or RunFilter(),
            everyone=user is None,
            limit=limit,
            offset=offset,
        )

    async def run(self, run_id: str, *, user: str | None = "local") -> Run:
        """Return a run as it is stored now, with its steps; `user` None: whoever's it is.

        Raises:
            UnknownName: there is no such run, or it is another user's.
        """
        return await asyncio.to_thread(self.run_sync, run_id, user=user)

    def run_sync(self, run_id: str, *, user: str | None = "local") -> Run:
        """`run`, for code that is not async."""
        store, scope = self._house().store, self._scope(user)
        if user is None:
            scope = store.summaries.owner(scope, run_id)
        return store.runs.get(scope, run_id)

    async def turns(self, **between: Unpack[Between]) -> TurnFigures:
        """Tell how the turns went: how many, how routed, how quick, at what cost."""
        return await asyncio.to_thread(self.turns_sync, **between)

    def turns_sync(self, **between: Unpack[Between]) -> TurnFigures:
        """`turns`, for code that is not async."""
        scope, everyone, since, until = self._meant(**between)
        summaries = self._house().store.summaries
        return turn_figures(summaries.turns(scope, everyone=everyone, since=since, until=until))

    async def agents(self, **between: Unpack[Between]) -> tuple[AgentFigures, ...]:
        """Tell how every agent that was called did."""
        return await asyncio.to_thread(self.agents_sync, **between)

    def agents_sync(self, **between: Unpack[Between]) -> tuple[AgentFigures, ...]:
        """`agents`, for code that is not async."""
        scope, everyone, since, until = self._meant(**between)
        summaries = self._house().store.summaries
        acts = summaries.acts(scope, everyone=everyone, since=since, until=until)
        return agent_figures(acts, self.spend_sync(**between))

    async def spend(self, **between: Unpack[Between]) -> tuple[Spend, ...]:
        """Return what was spent, by day (UTC), user, step, agent and model; oldest first."""
        return await asyncio.to_thread(self.spend_sync, **between)

    def spend_sync(self, **between: Unpack[Between]) -> tuple[Spend, ...]:
        """`spend`, for code that is not async."""
        scope, everyone, since, until = self._meant(**between)
        ledger = self._house().store.ledger
        return ledger.spend(scope, everyone=everyone, since=since, until=until)

    async def events(
        self, run_id: str, *, after: int = 0, user: str = "local"
    ) -> tuple[Event, ...]:
        """Return the events of a run that there are by now, after number `after`; never waits.

        Raises:
            UnknownName: the user has no such run.
        """
        return await asyncio.to_thread(self.events_sync, run_id, after=after, user=user)

    def events_sync(self, run_id: str, *, after: int = 0, user: str = "local") -> tuple[Event, ...]:
        """`events`, for code that is not async."""
        return self._house().store.events.after(self._scope(user), run_id, after)

    async def versions(self, agent: str) -> tuple[AgentRow, ...]:
        """Return every version of an agent, the oldest first; a removal has no specification."""
        return await asyncio.to_thread(self.versions_sync, agent)

    def versions_sync(self, agent: str) -> tuple[AgentRow, ...]:
        """`versions`, for code that is not async."""
        return self._house().store.agents.history(self._scope(None), agent)

    def _meant(
        self, **between: Unpack[Between]
    ) -> tuple[Scope, bool, datetime | None, datetime | None]:
        user = between.get("user", "local")
        return self._scope(user), user is None, between.get("since"), between.get("until")

    def _scope(self, user: str | None) -> Scope:
        return Scope(tenant=self._tenant) if user is None else Scope(tenant=self._tenant, user=user)
