"""What lists and figures need of each run: written with the run, read without its words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    and_,
    bindparam,
    cast,
    func,
    insert,
    or_,
    select,
    update,
)

from ..records import RunFilter, RunPage, RunSummary
from ..values import Decision, Scope, from_nano, to_nano
from .claims import Claim, scope_of, unknown_run
from .database import Database
from .tables import runs, scoped, steps, summaries, within

Figures: TypeAlias = tuple[Any, ...]
"""Rows with the columns that the method says."""

_CHANGED = update(summaries).where(summaries.c.run_id == bindparam("the_run"))
_USED: Any = select(
    steps.c.key, steps.c.model, steps.c.cost_nano, steps.c.input_tokens, steps.c.output_tokens
).where(steps.c.run_id == bindparam("the_run"))


class Summaries:
    """Lists runs by a filter, and reads what figures are made of.

    With `everyone` the runs of all users of the scope's tenant are meant.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, scope: Scope, chosen: RunFilter, *, everyone: bool, limit: int, offset: int
    ) -> RunPage:
        """Return `limit` runs after the first `offset`, newest first, and how many there are."""
        held = _held(scope, chosen, everyone)
        source = summaries.join(runs, runs.c.id == summaries.c.run_id)
        # The words of those on the page alone are read, unless words are asked for.
        counted = source if chosen.text else summaries
        ids = (
            select(summaries.c.run_id)
            .select_from(counted)
            .where(held)
            .order_by(summaries.c.created_at.desc(), summaries.c.run_id.desc())
            .limit(limit)
            .offset(offset)
        )
        with self._database.reading() as connection:
            total = connection.execute(
                select(func.count()).select_from(counted).where(held)
            ).scalar()
            found = connection.execute(ids).scalars().all()
            query: Select[Any] = (
                select(*summaries.c, runs.c.query)
                .select_from(source)
                .where(summaries.c.run_id.in_(found))
                .order_by(summaries.c.created_at.desc(), summaries.c.run_id.desc())
            )
            rows = connection.execute(query).all() if found else []
        return RunPage(runs=tuple(map(_summary, rows)), total=int(total or 0))

    def owner(self, scope: Scope, run_id: str) -> Scope:
        """Return whose a run of the scope's tenant is.

        Raises:
            UnknownName: the tenant has no such run.
        """
        query: Select[Any] = select(summaries).where(
            summaries.c.tenant == scope.tenant, summaries.c.run_id == run_id
        )
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise unknown_run(run_id)
        return scope_of(row)

    def queries(self, scope: Scope, *, limit: int) -> tuple[str, ...]:
        """Return what users of the scope's tenant asked last, newest first, each once."""
        query = (
            select(runs.c.query)
            .select_from(summaries.join(runs, runs.c.id == summaries.c.run_id))
            .where(summaries.c.tenant == scope.tenant)
            .order_by(summaries.c.created_at.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            return tuple(dict.fromkeys(connection.execute(query).scalars()))

    def turns(
        self, scope: Scope, *, everyone: bool, since: datetime | None, until: datetime | None
    ) -> Figures:
        """Return what figures over turns need of each: see `SummaryColumns`."""
        columns = summaries.c
        query = select(
            columns.status,
            columns.latency_s,
            columns.method,
            columns.in_scope,
            columns.set_size,
            columns.reasoned,
            columns.reasoning_nano,
            columns.cost_nano,
            columns.known_nano,
        ).where(_meant(scope, everyone), _between(columns.created_at, since, until))
        with self._database.reading() as connection:
            return tuple(connection.execute(query).all())

    def acts(
        self, scope: Scope, *, everyone: bool, since: datetime | None, until: datetime | None
    ) -> Figures:
        """Return agent, status and latency of everything that agents did."""
        columns = steps.c
        owner = columns.tenant == scope.tenant if everyone else within(columns, scope)
        query = select(columns.agent, columns.status, columns.latency_s).where(
            columns.name == "act", owner, _between(columns.started_at, since, until)
        )
        with self._database.reading() as connection:
            return tuple(connection.execute(query).all())

    def calls(self, scope: Scope, *, everyone: bool) -> Iterator[Row[Any]]:
        """Yield key, run, agent, start and output of every call that a model answered.

        One after the other, for together the outputs are all that was ever said.
        """
        columns = steps.c
        owner = columns.tenant == scope.tenant if everyone else within(columns, scope)
        query: Select[Any] = select(
            columns.key, columns.run_id, columns.agent, columns.started_at, columns.output
        ).where(columns.name == "call", columns.status == "done", owner)
        with self._database.reading() as connection:
            yield from connection.execute(query.execution_options(yield_per=1000))


def begin_summary(
    connection: Connection,
    scope: Scope,
    run_id: str,
    created_at: datetime,
    replays: str | None,
    status: str,
) -> None:
    """Store the summary of a run that is new."""
    row = {
        **scoped(scope),
        "run_id": run_id,
        "status": status,
        "created_at": created_at,
        "agents": [],
        "models": [],
        "known_nano": 0,
        "replays": replays,
    }
    connection.execute(insert(summaries), row)


def summarize(
    connection: Connection,
    claim: Claim,
    *,
    decision: Decision | None,
    status: str | None,
    latency_s: float | None,
) -> None:
    """Bring a run's summary up to date: with its decision, and at its end with what it took."""
    changes: dict[str, Any] = {}
    if decision is not None:
        changes |= {
            "method": decision.method,
            "in_scope": decision.in_scope,
            "agents": list(decision.agents),
            "set_size": len(decision.agents),
        }
    if status is not None:
        changes |= {"status": status, "latency_s": latency_s, **used(connection, claim.run_id)}
    if changes:
        connection.execute(_CHANGED, {**changes, "the_run": claim.run_id})


def used(connection: Connection, run_id: str) -> dict[str, Any]:
    """Return what the steps of a run used together, as the values of its summary."""
    rows = connection.execute(_USED, {"the_run": run_id}).all()
    calls = [row for row in rows if row.model is not None]
    judging = [row.cost_nano for row in calls if row.key.startswith("decide/")]
    return {
        "models": list(dict.fromkeys(row.model for row in calls)),
        "reasoned": bool(judging),
        "reasoning_nano": _sum(judging),
        "cost_nano": _sum([row.cost_nano for row in rows]),
        "known_nano": sum(row.cost_nano or 0 for row in rows),
        "input_tokens": _sum([row.input_tokens for row in rows]),
        "output_tokens": _sum([row.output_tokens for row in rows]),
    }


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _meant(scope: Scope, everyone: bool) -> ColumnElement[bool]:
    return summaries.c.tenant == scope.tenant if everyone else within(summaries.c, scope)


def _between(
    column: ColumnElement[datetime], since: datetime | None, until: datetime | None
) -> ColumnElement[bool]:
    ends = []
    if since is not None:
        ends.append(column >= since)
    if until is not None:
        ends.append(column < until)
    return and_(True, *ends)


def _held(scope: Scope, chosen: RunFilter, everyone: bool) -> ColumnElement[bool]:
    columns = summaries.c
    holds = [
        _meant(scope, everyone),
        _between(columns.created_at, chosen.since, chosen.until),
    ]
    for column, wanted in (
        (columns.session, chosen.session),
        (columns.method, chosen.method),
        (columns.status, chosen.status),
        (columns.replays, chosen.replays),
    ):
        if wanted is not None:
            holds.append(column == wanted)
    for names, name in ((columns.agents, chosen.agent), (columns.models, chosen.model)):
        if name is not None:
            # A list of names in JSON: short, and quicker to look through than to join.
            holds.append(cast(names, String).contains(f'"{name}"', autoescape=True))
    if chosen.least_usd is not None:
        holds.append(columns.known_nano >= to_nano(chosen.least_usd))
    if chosen.most_usd is not None:
        holds.append(columns.known_nano <= to_nano(chosen.most_usd))
    if chosen.least_s is not None:
        holds.append(columns.latency_s >= chosen.least_s)
    if chosen.most_s is not None:
        holds.append(columns.latency_s <= chosen.most_s)
    if chosen.text:
        words = (runs.c.query, runs.c.answer)
        holds.append(or_(*(one.icontains(chosen.text, autoescape=True) for one in words)))
    return and_(*holds)


def _summary(row: Row[Any]) -> RunSummary:
    return RunSummary(
        id=row.run_id,
        scope=scope_of(row),
        query=row.query,
        status=row.status,
        created_at=row.created_at,
        latency_s=row.latency_s,
        method=row.method,
        agents=tuple(row.agents),
        models=tuple(row.models),
        cost_usd=None if row.cost_nano is None else from_nano(row.cost_nano),
        known_cost_usd=from_nano(row.known_nano),
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        replays=row.replays,
    )
