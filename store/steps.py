"""The steps of runs: values to rows and back, and the one way to store them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from ..errors import InvalidInput
from ..values import Scope, Step, Usage, from_nano, to_nano
from .claims import Claim
from .database import batched
from .tables import scoped, steps, within

_WITHOUT_OUTPUT = tuple(column for column in steps.c if column.key != "output")


def store_steps(connection: Connection, claim: Claim, new: Iterable[Step]) -> None:
    """Insert the steps, or replace those of the same key; the run is locked by the caller."""
    by_key = {step.key: _values(claim, step) for step in new}
    if not by_key:
        return
    known: set[str] = set()
    for keys in batched(tuple(by_key)):
        query = select(steps.c.key).where(steps.c.run_id == claim.run_id, steps.c.key.in_(keys))
        known.update(connection.execute(query).scalars())
    added = [values for key, values in by_key.items() if key not in known]
    if added:
        connection.execute(insert(steps), added)
    if known:
        change = update(steps).where(
            steps.c.run_id == claim.run_id, steps.c.key == bindparam("the_key")
        )
        connection.execute(change, [{**by_key[key], "the_key": key} for key in known])


def read_steps(
    connection: Connection, scope: Scope, run_ids: Sequence[str], *, outputs: bool
) -> dict[str, tuple[Step, ...]]:
    """Return the steps of each run, in the order in which they began.

    `output` is None in all where `outputs` is False, for outputs can be long.
    """
    found: dict[str, list[Step]] = {run_id: [] for run_id in run_ids}
    columns = tuple(steps.c) if outputs else _WITHOUT_OUTPUT
    for some in batched(run_ids):
        query = (
            select(*columns)
            .where(within(steps.c, scope), steps.c.run_id.in_(some))
            .order_by(steps.c.started_at, steps.c.key)
        )
        for row in connection.execute(query):
            found[row.run_id].append(_step(row, row.output if outputs else None))
    return {run_id: tuple(steps_of_run) for run_id, steps_of_run in found.items()}


def _values(claim: Claim, step: Step) -> dict[str, Any]:
    if step.run_id != claim.run_id:
        raise InvalidInput(
            f"The step {step.key!r} belongs to run {step.run_id!r}, not to {claim.run_id!r}."
        )
    cost_usd = step.usage.cost_usd
    return {
        **scoped(claim.scope),
        "run_id": step.run_id,
        "key": step.key,
        "id": step.id,
        "parent_id": step.parent_id,
        "name": step.name,
        "agent": step.agent,
        "model": step.model,
        "attempt": step.attempt,
        "status": step.status,
        "started_at": step.started_at,
        "latency_s": step.latency_s,
        "input_tokens": step.usage.input_tokens,
        "output_tokens": step.usage.output_tokens,
        "cost_nano": None if cost_usd is None else to_nano(cost_usd),
        "error": step.error,
        "output": step.output,
    }


def _step(row: Row[Any], output: Any) -> Step:
    return Step(
        id=row.id,
        run_id=row.run_id,
        key=row.key,
        name=row.name,
        parent_id=row.parent_id,
        agent=row.agent,
        model=row.model,
        attempt=row.attempt,
        status=row.status,
        started_at=row.started_at,
        latency_s=row.latency_s,
        usage=Usage(
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cost_usd=None if row.cost_nano is None else from_nano(row.cost_nano),
        ),
        error=row.error,
        output=output,
    )
