"""Who asks: the one place where a server learns which Board and which user a request is for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ...errors import UnknownName, nearest

if TYPE_CHECKING:
    from starlette.requests import Request

    from ...agents.registry import Registered
    from ...board import Board


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whose request it is, by the key that came with it; `agents` None: all may be called.

    `tenant` names the Board among those that one server serves: a session of the protocol belongs
    to the tenant and user that began it.
    """

    board: Board
    user: str = "local"
    tenant: str = "local"
    agents: Collection[str] | None = None

    def seen(self) -> tuple[Registered, ...]:
        """Return the agents that may be called; reads the database."""
        live = (one for one in self.board.agents() if one.live)
        return tuple(one for one in live if self.agents is None or one.agent.name in self.agents)

    def hidden(self) -> tuple[str, ...]:
        """Return the names of the agents that may not be called; reads the database."""
        if self.agents is None:
            return ()
        names = (one.agent.name for one in self.board.agents())
        return tuple(name for name in names if name not in self.agents)

    def check(self, wanted: Collection[str]) -> None:
        """See that all agents that are wanted may be called.

        Raises:
            UnknownName: one may not; it is not told whether there is such an agent.
        """
        for name in wanted:
            if self.agents is not None and name not in self.agents:
                near = nearest(name, self.agents)
                raise UnknownName(f"There is no agent {name!r}{near} 'list_agents' shows all.")


BoardFor: TypeAlias = Callable[["Request | None"], Awaitable[Caller]]
"""Tells who asks, by the HTTP request that the call came with; None: over stdio, by this machine's
user. What it raises is answered as it is raised: a 401 of the web framework is one."""
