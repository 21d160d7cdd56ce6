"""What a turn leaves in PostgreSQL: bytes by table, transactions, log written.

    python -m callboard.benchmarks.footprint --database postgresql+psycopg://... [--turns 400]
        [--users 40] [--json]

The database must be empty and nobody else may write to it. The job is that of
`callboard bench overhead`: one query about two things, eight agents of whom two answer, one answer
of theirs; three calls of a model that answers at once with 120 words. Everything is remembered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..agents.spec import Agent
from ..board import Board
from ..config import load_settings
from ..errors import InvalidInput
from ..models.scripted import ScriptedModel
from ..values import JSON
from .machine import describe_machine
from .overhead import AGENTS, ASKED

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

AT_ONCE = 16
ANSWER = "We have looked into it, and this is what we found and what happens next. " * 8
"""120 words."""


def measure_footprint(url: str, turns: int, users: int) -> dict[str, JSON]:
    """Run the turns of so many users, and return what each left, on the mean.

    Raises:
        InvalidInput: the database is not PostgreSQL, or it holds runs.
    """
    from sqlalchemy import create_engine

    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        if engine.dialect.name != "postgresql":
            raise InvalidInput("The footprint is measured in PostgreSQL. Name such a database.")
        return {"machine": describe_machine(), **_measured(url, engine, turns, users)}
    finally:
        engine.dispose()


def _measured(url: str, engine: Engine, turns: int, users: int) -> dict[str, JSON]:
    from sqlalchemy import text

    settings = load_settings(
        database_url=url, bundled_agents=False, models={"main": {"model": "openai/scripted"}}
    )
    with Board(settings, models={"main": ScriptedModel(lambda request: ANSWER)}) as board:
        board.register_all(
            Agent(name=name, description=said, examples=examples)
            for name, (said, examples) in AGENTS.items()
        )
        with engine.connect() as connection:
            if _rows(connection)["runs"]:
                raise InvalidInput("The database holds runs. Name an empty one.")
            board.prepare_sync()
            before, sizes = _counters(connection), _sizes(connection)
        began, cpu = time.perf_counter(), time.process_time()
        asyncio.run(_ask(board, turns, users))
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    with engine.connect() as connection:
        time.sleep(1.5)  # the server gathers its counters for a second
        after = _counters(connection)
        connection.execute(text("VACUUM"))
        rows, bigger = _rows(connection), _sizes(connection)
    left = {name: size - sizes[name] for name, size in bigger.items() if size > sizes[name]}
    return {
        "turns": turns,
        "users": users,
        "turns_per_s": round(turns / took, 2),
        "cpu_ms": round(1000 * cpu / turns, 1),
        "bytes": round(sum(left.values()) / turns),
        "bytes_by_table": {
            name: round(left[name] / turns) for name in sorted(left, key=left.__getitem__)[::-1]
        },
        "rows_by_table": {
            name: round(count / turns, 2) for name, count in rows.items() if count >= turns
        },
        "bytes_per_chunk": round(left["chunks"] / rows["chunks"]),
        **{name: round((after[name] - before[name]) / turns, 1) for name in after},
    }


async def _ask(board: Board, turns: int, users: int) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def turn(number: int) -> None:
        async with gate:
            user = f"user-{number % users}"
            await board.run(f"{ASKED} My number is {number}.", user=user, session=f"s-{user}")

    async with asyncio.TaskGroup() as group:
        for number in range(turns):
            group.create_task(turn(number))


def _counters(connection: Connection) -> Mapping[str, float]:
    from sqlalchemy import text

    found = connection.execute(
        text(
            "SELECT xact_commit AS transactions, "
            "pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS writing, "
            "tup_inserted AS inserted, tup_updated AS updated, "
            "pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS wal_bytes "
            "FROM pg_stat_database WHERE datname = current_database()"
        )
    )
    return {name: float(value) for name, value in found.mappings().one().items()}


def _sizes(connection: Connection) -> dict[str, int]:
    """Return the bytes of every table, with its indexes and what is stored beside it."""
    from sqlalchemy import text

    tables = text("SELECT relname, pg_total_relation_size(relid) AS size FROM pg_stat_user_tables")
    return {row.relname: row.size for row in connection.execute(tables)}


def _rows(connection: Connection) -> dict[str, int]:
    from sqlalchemy import text

    return {
        name: connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one()  # noqa: S608
        for name in _sizes(connection)
    }


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(prog="callboard.benchmarks.footprint")
    parser.add_argument("--database", required=True, metavar="URL")
    parser.add_argument("--turns", type=int, default=400)
    parser.add_argument("--users", type=int, default=40)
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    found = measure_footprint(given.database, given.turns, given.users)
    if given.as_json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"{name:18} {value}")


if __name__ == "__main__":
    main()
