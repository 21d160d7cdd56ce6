"""The steps of runs: values to rows and back, and the one way to store them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, select

from ..errors import InvalidInput
from ..values import Scope, Step, Usage, from_nano, to_nano
from .claims import Claim
from .database import batched
from .tables import scoped, steps
from .upsert import upsert

_READ: Select[Any] = (
    select(*steps.c)
    .where(
        steps.c.tenant == bindparam("tenant"),
        steps.c.user_id == bindparam("user_id"),
        steps.c.run_id.in_(bindparam("run_ids", expanding=True)),
    )
    .order_by(steps.c.started_at, steps.c.key)
)
_READ_WITHOUT_OUTPUT: Select[Any] = _READ.with_only_columns(
    *(column for column in steps.c if column.key != "output")
)


def store_steps(connection: Connection, claim: Claim, new: Iterable[Step]) -> None:
    """Insert the steps, or replace those of the same key; the run is locked by the caller."""
    by_key = {step.key: _values(claim, step) for step in new}
    if by_key:
        connection.execute(upsert(connection, steps), list(by_key.values()))


def read_steps(
    connection: Connection, scope: Scope, run_ids: Sequence[str], *, outputs: bool
) -> dict[str, tuple[Step, ...]]:
    """Return the steps of each of these runs of the scope, in the order in which they began.

    `output` is None in all where `outputs` is False, for outputs can be long.
    """
    found: dict[str, list[Step]] = {run_id: [] for run_id in run_ids}
    query = _READ if outputs else _READ_WITHOUT_OUTPUT
    for some in batched(run_ids):
        terms = {"tenant": scope.tenant, "user_id": scope.user, "run_ids": some}
        for row in connection.execute(query, terms):
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
