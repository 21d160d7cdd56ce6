"""The live registry: which agents there are now, and which of them can run in this process.

Specifications live in the database, so that every process sees the same agents; functions live in
the process. An agent whose function, tool, document or model can't be found here, or whose endpoint
may not be called, is `detached`: it is shown with the reason, and not routed to. Bundled agents lie
below all registered ones.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import InvalidInput, UnknownName, nearest
from ..models.addresses import AddressRule
from ..store.agents import AgentRow, AgentRows
from ..values import JSON, Scope
from .functions import Function, portable, reference, resolve, signature
from .mcp.reference import check_servers
from .passages import below, find_documents
from .snapshot import AgentState as AgentState
from .snapshot import Registered as Registered
from .snapshot import Snapshot as Snapshot
from .spec import Agent
from .tools import find_tools

MAX_TENANTS = 256
"""Tenants whose agents are kept in memory; those asked for least recently are read again."""

LOOKED_AT_AGAIN = 10
"""Detached agents that are tried again at a change: an import that fails is slow."""


class Registry:
    """Registers, removes and lists agents; may be used from any thread.

    `models` and `servers` (of tools) are the names of those that are configured. `bundled` agents
    are not stored, and one that is registered under the same name takes the place of a bundled one.
    `addresses` says where endpoints of agents may be; None: anywhere.
    """

    def __init__(
        self,
        rows: AgentRows,
        *,
        models: Collection[str],
        servers: Collection[str] = (),
        bundled: Sequence[Agent] = (),
        addresses: AddressRule | None = None,
    ) -> None:
        self._rows = rows
        self._models = frozenset(models)
        self._servers = frozenset(servers)
        self._addresses = addresses
        self._bundled = tuple(bundled)
        self._changing = threading.Lock()  # held while the database is written
        self._lock = threading.Lock()  # held for moments, and never while a module is imported
        self._functions: dict[tuple[str, str], dict[str, Function]] = {}
        self._snapshots: OrderedDict[str, Snapshot] = OrderedDict()
        self._stale: dict[str, set[str]] = {}  # agents whose function is not that of the snapshot
        self._arrivals = 0  # of functions

    def register(
        self,
        scope: Scope,
        agent: Agent,
        *,
        function: Function | None = None,
        replace: bool = False,
    ) -> Registered:
        """Register `agent` for the tenant; the same specification again changes nothing.

        `function` answers for it in this process. Relative documents are stored as absolute paths.

        Raises:
            InvalidInput: the name is taken by another specification and `replace` is False, or a
                model, function, tool or document can't be found. Nothing was changed.
        """
        agent = _complete(agent, function)
        found = self._parts(agent, function)
        with self._changing, self._keeping(scope, agent, function):
            row = self._rows.put(scope, agent.name, _stored(agent), replace=replace)
        return _standing(agent, row, found)

    def check(self, agent: Agent) -> Registered:
        """Return `agent` as it would stand here if it were registered; nothing is changed.

        Raises:
            InvalidInput: a model, function, tool or document can't be found.
        """
        agent = _complete(agent, None)
        return Registered(agent=agent, version=0, state="live", function=self._parts(agent, None))

    def register_all(
        self, scope: Scope, agents: Iterable[Agent], *, replace: bool = False
    ) -> tuple[Registered, ...]:
        """Register many agents as one change: all of them or, where one is refused, none.

        Those that are registered with the same specification stay as they are.

        Raises:
            InvalidInput: as `register` does, or two of `agents` have the same name.
        """
        given: dict[str, tuple[Agent, Function | None]] = {}
        for agent in agents:
            if agent.name in given:
                raise InvalidInput(f"Two agents are called {agent.name!r}. Rename one of them.")
            whole = _complete(agent, None)
            given[agent.name] = whole, self._parts(whole, None)
        specs = {name: _stored(agent) for name, (agent, _) in given.items()}
        with self._changing:
            rows = self._rows.put_all(scope, specs, replace=replace)
        return tuple(_standing(given[row.name][0], row, given[row.name][1]) for row in rows)

    def unregister(self, scope: Scope, name: str) -> None:
        """Remove an agent; a bundled one of the same name is seen again.

        Raises:
            UnknownName: no agent of this name is registered.
        """
        with self._changing:
            removed = self._rows.remove(scope, name)
            if removed:
                with self._lock:
                    self._functions.pop((scope.tenant, name), None)
        if removed:
            return
        if name in self._lowest:
            raise UnknownName(
                f"The agent {name!r} is bundled, not registered. Register one of the same name "
                "with enabled=False to hide it."
            )
        raise self._unknown(scope, name)

    def get(self, scope: Scope, name: str) -> Registered:
        """Return one agent.

        Raises:
            UnknownName: there is none of this name.
        """
        found = self.snapshot(scope).by_name.get(name)
        if found is None:
            raise self._unknown(scope, name)
        return found

    def snapshot(self, scope: Scope) -> Snapshot:
        """Return the agents of the tenant as they are now, whichever process changed them."""
        version = self._rows.version(scope)
        with self._lock:
            known = self._snapshots.get(scope.tenant)
            if known is not None and known.version == version and scope.tenant not in self._stale:
                return known
        while True:
            with self._lock:
                known = self._snapshots.get(scope.tenant)
                stale = frozenset(self._stale.get(scope.tenant, ()))
                arrivals = self._arrivals
            made = self._next(scope, known, stale)
            with self._lock:
                if arrivals != self._arrivals:
                    continue  # this snapshot may miss the function that came meanwhile
                latest = self._snapshots.get(scope.tenant)
                if latest is not None and latest is not known and latest.version >= made.version:
                    return latest  # another thread was quicker
                self._stale.pop(scope.tenant, None)
                self._snapshots[scope.tenant] = made
                self._snapshots.move_to_end(scope.tenant)
                if len(self._snapshots) > MAX_TENANTS:
                    self._snapshots.popitem(last=False)
            return made

    def _next(self, scope: Scope, known: Snapshot | None, stale: Collection[str]) -> Snapshot:
        """Read what changed since `known`, and agents with a new function; else read all."""
        if known is not None:
            names = {*stale, *_detached(known)}
            version, rows = self._rows.changes(scope, known.version, also=names)
            if version >= known.version:  # else the database was restored from a backup
                return self._changed(scope, known, version, rows)
        version, rows = self._rows.snapshot(scope)
        agents = dict(self._lowest) | {row.name: self._registered(scope, row) for row in rows}
        return Snapshot(version=version, agents=tuple(agents[name] for name in sorted(agents)))

    def _changed(
        self, scope: Scope, known: Snapshot, version: int, rows: Sequence[AgentRow]
    ) -> Snapshot:
        changes: dict[str, Registered | None] = {}
        for row in rows:
            made = self._lowest.get(row.name) if row.spec is None else self._registered(scope, row)
            old = known.by_name.get(row.name)
            if made is None or old is None or old.function is not made.function or old != made:
                changes[row.name] = made
        return known.replaced(version, changes)

    @contextmanager
    def _keeping(self, scope: Scope, agent: Agent, function: Function | None) -> Iterator[None]:
        """Keep `function` for `agent` if the block, which stores the agent, succeeds.

        A new reference is kept before, so that nobody sees the stored agent without its function.
        """
        if function is None or agent.function is None:
            yield
            return
        key, ref = (scope.tenant, agent.name), agent.function
        with self._lock:
            before = self._functions.get(key, {})
            self._functions[key] = {ref: function, **before}
        try:
            yield
        except BaseException:
            with self._lock:
                self._functions[key] = before
            raise
        with self._lock:
            self._functions[key] = {ref: function}
            if before.get(ref) is not function:
                self._arrivals += 1
                self._stale.setdefault(scope.tenant, set()).add(agent.name)

    @cached_property
    def _lowest(self) -> Mapping[str, Registered]:
        return {agent.name: self._bundle(agent) for agent in self._bundled}

    def _bundle(self, agent: Agent) -> Registered:
        try:
            function = self._parts(agent, None)
        except InvalidInput as error:
            return Registered(agent=agent, version=0, state="detached", reason=str(error))
        state: AgentState = "bundled" if agent.enabled else "disabled"
        return Registered(agent=agent, version=0, state=state, function=function)

    def _registered(self, scope: Scope, row: AgentRow) -> Registered:
        try:
            agent = Agent.model_validate(row.spec)
        except InvalidInput as error:
            return _unreadable(row, error)
        kept = self._functions.get((scope.tenant, agent.name), {})
        known = kept.get(agent.function or "")
        try:
            function = self._parts(agent, known)
        except InvalidInput as error:
            state: AgentState = "detached" if agent.enabled else "disabled"
            return Registered(agent=agent, version=row.version, state=state, reason=str(error))
        return _standing(agent, row, function)

    def _parts(self, agent: Agent, function: Function | None) -> Function | None:
        """Find all that `agent` needs in order to run here; return its function if it has one.

        Raises:
            InvalidInput: something can't be found, or its endpoint may not be called.
        """
        who = f"Agent {agent.name!r}"
        if agent.model is not None and agent.model not in self._models:
            raise InvalidInput(
                f"{who}: there is no model {agent.model!r}{nearest(agent.model, self._models)} "
                f"Add [models.{agent.model}] to the settings, or name one of: "
                f"{', '.join(sorted(self._models)) or 'none is configured'}."
            )
        try:
            if agent.endpoint is not None and self._addresses is not None:
                self._addresses.check(agent.endpoint)
            find_tools(agent.tools)
            check_servers(agent.tools, self._servers)
            find_documents(agent.documents)
            return None if agent.function is None else _function(agent.function, function)
        except InvalidInput as error:
            raise InvalidInput(f"{who}: {error}") from error

    def _unknown(self, scope: Scope, name: str) -> UnknownName:
        near = nearest(name, self.snapshot(scope).by_name)
        return UnknownName(f"There is no agent {name!r}{near} 'callboard agents list' shows all.")


def _complete(agent: Agent, function: Function | None) -> Agent:
    """Return `agent` with the reference of its function, and documents that any process finds."""
    changes: dict[str, Any] = {"documents": below(Path.cwd(), agent.documents)}
    if function is not None:
        ref = reference(function)
        if agent.function not in (None, ref):
            raise InvalidInput(
                f"Agent {agent.name!r}: 'function' is {agent.function!r}, but the function given "
                f"is {ref!r}. Leave one of them out."
            )
        changes["function"] = ref
    return Agent.model_validate(agent.model_dump(exclude_unset=True) | changes)


def _stored(agent: Agent) -> JSON:
    # Defaults are left out, so that a field which a later version adds changes no agent.
    return agent.model_dump(mode="json", exclude_defaults=True, exclude_none=True)


def _standing(agent: Agent, row: AgentRow, function: Function | None) -> Registered:
    state: AgentState = "live" if agent.enabled else "disabled"
    return Registered(agent=agent, version=row.version, state=state, function=function)


def _detached(known: Snapshot) -> Iterator[str]:
    """Yield some of the detached agents, others at the next version: they may have come alive."""
    for number in range(min(LOOKED_AT_AGAIN, len(known.detached))):
        place = (known.version * LOOKED_AT_AGAIN + number) % len(known.detached)
        yield known.detached[place].agent.name


def _function(ref: str, given: Function | None) -> Function:
    if given is None:
        if not portable(ref):
            raise InvalidInput(
                f"the function {ref!r} exists only in the process that registered it. "
                "Register it here too, or move it to the top of a module that can be imported."
            )
        given = resolve(ref)
    signature(given)
    return given


def _unreadable(row: AgentRow, error: InvalidInput) -> Registered:
    """Show an agent whose specification this version of Callboard does not understand."""
    spec = row.spec if isinstance(row.spec, dict) else {}
    agent = Agent.model_construct(name=row.name, description=str(spec.get("description", "")))
    return Registered(agent=agent, version=row.version, state="detached", reason=str(error))
