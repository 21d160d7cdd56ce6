"""The agents of a tenant at one moment, as values."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

from .functions import Function
from .spec import Agent

AgentState: TypeAlias = Literal["live", "detached", "disabled", "bundled"]

TRAIL = 64
"""Steps back to a snapshot from which the changes are known without comparing all agents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """An agent as it stands in this process; `reason` says why it is detached.

    `version` counts the changes of this agent from 1; a bundled one has 0.
    """

    agent: Agent
    version: int
    state: AgentState
    function: Function | None = None
    reason: str = ""

    @property
    def live(self) -> bool:
        """Whether it may be routed to."""
        return self.state in ("live", "bundled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What makes of the live agents of one snapshot those of another; both in order of names.

    `changed` are live now, and new or not as they were; `removed` were live and are not now.
    """

    changed: tuple[Registered, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Footprint:
    """That `names` changed after the snapshot that `mark` stands for."""

    mark: object
    names: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The agents of a tenant at one moment, by name.

    The same object is returned until something changes, so `is` tells whether what was built from
    it still holds; agents that did not change are the same objects in the next snapshot. `version`
    is that of the stored agents: a function that arrives for a detached one makes a new snapshot
    with the same version.
    """

    version: int
    agents: tuple[Registered, ...]
    _mark: object = field(default_factory=object, repr=False, compare=False)
    _trail: tuple[_Footprint, ...] = field(default=(), repr=False, compare=False)

    @cached_property
    def live(self) -> tuple[Registered, ...]:
        """Those that may be routed to."""
        return tuple(one for one in self.agents if one.live)

    @cached_property
    def by_name(self) -> Mapping[str, Registered]:
        """All of them by name."""
        return {one.agent.name: one for one in self.agents}

    @cached_property
    def detached(self) -> tuple[Registered, ...]:
        """Those that can't run in this process."""
        return tuple(one for one in self.agents if one.state == "detached")

    def only(self, names: Collection[str] | None) -> Snapshot:
        """Return those of `names` that there are, as a snapshot of their own; None: all."""
        if names is None:
            return self
        found = (self.by_name.get(name) for name in sorted(set(names)))
        return Snapshot(version=self.version, agents=tuple(one for one in found if one))

    def changes_since(self, earlier: Snapshot) -> Changes:
        """Return what an index of the live agents of `earlier` has to change to hold these.

        Takes as long as there are changes; only from a snapshot `TRAIL` steps ago, or of another
        registry, it takes as long as there are agents.
        """
        before, now = earlier.by_name, self.by_name
        names = self._names_since(earlier)
        differ = sorted(name for name in names if before.get(name) is not now.get(name))
        changed = tuple(now[name] for name in differ if name in now and now[name].live)
        live = {one.agent.name for one in changed}
        gone = (name for name in differ if name in before and before[name].live)
        return Changes(changed=changed, removed=tuple(name for name in gone if name not in live))

    def replaced(self, version: int, changes: Mapping[str, Registered | None]) -> Snapshot:
        """Return the snapshot after `changes`; None stands for an agent that is gone."""
        made = Snapshot(
            version=version,
            agents=_merged(self.agents, changes),
            _trail=(*self._trail, _Footprint(self._mark, frozenset(changes)))[-TRAIL:],
        )
        # What would be computed from all agents is taken over from the snapshot before.
        by_name: dict[str, Registered | None] = {**self.by_name, **changes}
        for name in [name for name, one in changes.items() if one is None]:
            del by_name[name]
        vars(made)["by_name"] = by_name
        vars(made)["live"] = _merged(self.live, _only(changes, lambda one: one.live))
        detached = _only(changes, lambda one: one.state == "detached")
        vars(made)["detached"] = _merged(self.detached, detached)
        return made

    def _names_since(self, earlier: Snapshot) -> Iterable[str]:
        """Return the names of agents that may differ from those of `earlier`."""
        if self._mark is earlier._mark:
            return ()
        names: set[str] = set()
        for footprint in reversed(self._trail):
            names |= footprint.names
            if footprint.mark is earlier._mark:
                return names
        return {*earlier.by_name, *self.by_name}


def _merged(
    agents: Sequence[Registered], changes: Mapping[str, Registered | None]
) -> tuple[Registered, ...]:
    """Return `agents`, which are in the order of their names, after `changes`."""
    merged = list(agents)
    for name, one in changes.items():
        place = bisect_left(merged, name, key=_name)
        there = place < len(merged) and _name(merged[place]) == name
        merged[place : place + there] = () if one is None else (one,)
    return tuple(merged)


def _only(
    changes: Mapping[str, Registered | None], holds: Callable[[Registered], bool]
) -> dict[str, Registered | None]:
    """Return `changes` for a list that has only those for which `holds` is true."""
    return {name: one if one and holds(one) else None for name, one in changes.items()}


def _name(one: Registered) -> str:
    return one.agent.name
