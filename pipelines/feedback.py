"""What users say of the agents that were called for a query, checked before it is kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..agents.registry import Registry
from ..errors import InvalidInput, UnknownName, nearest
from ..store.engine import Store
from ..values import Feedback, Run, Scope

MAX_COMMENT = 4000
"""Characters of a comment."""


class FeedbackDesk:
    """Takes feedback, takes it back and shows it."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry

    async def give(
        self,
        scope: Scope,
        run_id: str,
        score: float,
        *,
        agents: Sequence[str] | None,
        comment: str,
    ) -> Feedback:
        """Keep what the user says of `agents` of a run, or of all that it called.

        Raises:
            InvalidInput: the score is not in -1..1, the comment is too long, or no agent is meant.
            UnknownName: the user has no such run, or there is no such agent.
        """
        _check_score(score)
        if len(comment) > MAX_COMMENT:
            raise InvalidInput(
                f"The comment has {len(comment):,} characters; {MAX_COMMENT:,} are allowed. "
                "Shorten it."
            )
        run = await self._store.call(self._store.runs.get, scope, run_id)
        meant = await self._meant(scope, run, agents)
        return await self._store.call(
            self._store.feedback.put, scope, run_id, meant, float(score), comment=comment
        )

    async def undo(self, scope: Scope, feedback_id: str) -> Feedback:
        """Let a feedback count no more."""
        return await self._store.call(self._store.feedback.undo, scope, feedback_id)

    async def list(
        self, scope: Scope, run_id: str | None, *, undone: bool, limit: int
    ) -> tuple[Feedback, ...]:
        """Return the last feedback, newest first."""
        if run_id is not None:
            await self._store.call(self._store.runs.options, scope, run_id)  # unknown: an error
        return await self._store.call(
            self._store.feedback.list, scope, run_id=run_id, undone=undone, limit=limit
        )

    async def _meant(self, scope: Scope, run: Run, agents: Sequence[str] | None) -> tuple[str, ...]:
        called = run.decision.agents if run.decision else ()
        if agents is None:
            if not called:
                raise InvalidInput(
                    f"The run {run.id!r} called no agent. Name the agents that should have "
                    "answered, or should not."
                )
            return called
        if isinstance(agents, str) or not agents:
            raise InvalidInput(
                f"agents={agents!r} is no list of names, such as ['billing']. "
                "Leave it out for all agents that the run called."
            )
        looked_at = run.decision.candidates if run.decision else ()
        known = {*called, *(candidate.agent for candidate in looked_at)}
        if not known.issuperset(agents):
            snapshot = await self._store.call(self._registry.snapshot, scope)
            _check_names(agents, known.union(snapshot.by_name))
        return tuple(dict.fromkeys(agents))


def _check_score(score: float) -> None:
    # True is an int: someone who passes it means a thumb, which has two directions.
    number = isinstance(score, int | float) and not isinstance(score, bool)
    if not number or not -1 <= score <= 1:
        raise InvalidInput(
            f"The score {score!r} is not a number in -1..1. Use 1 where the agents should "
            "answer such a query, -1 where they should not."
        )


def _check_names(names: Sequence[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise UnknownName(
                f"There is no agent {name!r}{nearest(name, known)} 'callboard agents list' shows "
                "all."
            )
