"""Does PostgreSQL find in large memories what the indexes of a process find, and how fast?

    python -m callboard.benchmarks.memory_size --data DIR --database URL [--sizes 10000,100000]
        [--queries N] [--memo-tokens N] [--json]

The database is a PostgreSQL with pgvector; what is stored there once is used again. The chunks are
the turns of all conversations of LoCoMo in one memory, and mixtures of them, as `memory_speed`
makes them. Every question is asked of both, one after the other. `overlap_10` and `overlap_64`:
how many of the first that the shelf finds the stack finds too; `evidence`: how many of the turns
that answer a question stand in the memo; `mb`: by how much the process grew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from ..errors import CallboardError, InvalidInput
from ..router.budget import FixedPolicy
from ..values import JSON, Scope
from .conversation_memory import ConversationMemory
from .machine import describe_machine, resident_mb
from .memory import MemorySetup, judge, open_desk
from .memory_speed import fill
from .metrics import quantile
from .sets.conversation import Conversation, MemoryQuestion
from .sets.conversations import load_conversations

SIZES = (10_000, 100_000)
_IN_PROCESS = {"stack": 0, "shelf": 10**9}
_WITHOUT_INDEX = 20_000
"""Chunks from which on the index of the vectors is built after them, which takes less."""

Asked = tuple[Conversation, MemoryQuestion]


def measure(
    conversations: Sequence[Conversation],
    database_url: str,
    sizes: Sequence[int],
    queries: int,
    memo_tokens: int,
    told: Callable[[str], None],
) -> list[dict[str, JSON]]:
    """Return a row per size.

    Raises:
        InvalidInput: the database has no stacks.
    """
    asked = [(one, question) for one in conversations for question in one.questions]
    drawn = random.Random(0).sample(asked, min(queries, len(asked)))
    with tempfile.TemporaryDirectory(prefix="callboard-bench-") as folder:
        setup = MemorySetup(
            memo_tokens=memo_tokens,
            replies=Path(folder) / "replies.db",
            database_url=database_url,
        )
        return asyncio.run(_measure(conversations, drawn, sizes, setup, Path(folder), told))


async def _measure(
    conversations: Sequence[Conversation],
    asked: Sequence[Asked],
    sizes: Sequence[int],
    setup: MemorySetup,
    folder: Path,
    told: Callable[[str], None],
) -> list[dict[str, JSON]]:
    turns = [
        replace(turn, session=f"{one.name}-{turn.session}")
        for one in conversations
        for turn in one.turns
    ]
    desks = {
        name: open_desk(replace(setup, in_process_chunks=most), folder)
        for name, most in _IN_PROCESS.items()
    }
    try:
        if desks["stack"].store.stacks is None:
            raise InvalidInput("The database has no pgvector 0.8: 'callboard doctor' says more.")
        told("storing and embedding")
        base = Conversation(name="base", turns=tuple(turns), questions=())
        await desks["shelf"].store_all([base])
        rows: list[dict[str, JSON]] = []
        for size in sizes:
            told(f"{size} chunks: storing")
            row: dict[str, JSON] = {"chunks": size}
            user = Scope(user=str(size))
            if not desks["stack"].store.chunks.mark(user).sequence:
                await asyncio.to_thread(fill, desks["stack"], str(size), size)
            row["stacked_per_s"] = await asyncio.to_thread(
                _stack, desks["stack"], setup.database_url or "", user
            )
            told(f"{size} chunks: asking")
            rows.append({**row, **await _ask(desks, str(size), asked)})
        return rows
    finally:
        for desk in desks.values():
            await desk.close()


def _stack(desk: ConversationMemory, database_url: str, user: Scope) -> JSON:
    """Return how many chunks a second are stacked; of many the index is built at the end."""
    from ..store.database import Database
    from ..store.stack_tables import stacked
    from ..store.stacks import Stacks

    database = Database(database_url)
    many = Stacks(database).state(user).behind
    indexes = [one for one in stacked.indexes if "embedding" in str(one.name)]
    started = time.perf_counter()
    if many > _WITHOUT_INDEX:
        with database.writing(patient=True) as connection:
            for index in indexes:
                index.drop(connection, checkfirst=True)
    while desk.stacking.follow(user):
        pass
    with database.writing(patient=True) as connection:
        # A graph that does not fit is built many times slower.
        connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '1GB'")
        for index in indexes:
            index.create(connection, checkfirst=True)
        connection.exec_driver_sql("ANALYZE stacked")
    database.close()
    return round(many / (time.perf_counter() - started)) if many else None


async def _ask(
    desks: dict[str, ConversationMemory], user: str, asked: Sequence[Asked]
) -> dict[str, JSON]:
    row: dict[str, JSON] = {}
    for name, desk in desks.items():
        before, started = resident_mb(), time.perf_counter()
        await desk.found(user, asked[0][1].text, k=10)
        row[f"{name}_first_s"] = round(time.perf_counter() - started, 2)
        row[f"{name}_mb"] = round(resident_mb() - before)
    taken: dict[str, list[float]] = {name: [] for name in desks}
    evidence: dict[str, list[float]] = {name: [] for name in desks}
    same: dict[int, list[float]] = {10: [], 64: []}
    for conversation, question in asked:
        ids: dict[str, list[str]] = {}
        for name, desk in desks.items():
            started = time.perf_counter()
            found = await desk.found(user, question.text, k=max(same))
            taken[name].append(1000 * (time.perf_counter() - started))
            ids[name] = [one.row.id for one in found]
            recalled = await desk.recall(user, question.text, FixedPolicy("mid"))
            judged = judge(conversation, question, recalled).evidence
            evidence[name] += [] if judged is None else [judged]
        for k, shares in same.items():
            first = set(ids["shelf"][:k])
            shares += [len(first & set(ids["stack"][:k])) / len(first)] if first else []
    for name in desks:
        times = sorted(taken[name])
        row[f"{name}_p50_ms"] = round(quantile(times, 0.5), 1)
        row[f"{name}_p95_ms"] = round(quantile(times, 0.95), 1)
        row[f"{name}_evidence"] = _percent(evidence[name])
    return {**row, **{f"overlap_{k}": _percent(some) for k, some in same.items()}}


def _percent(shares: Sequence[float]) -> float | None:
    return round(100 * sum(shares) / len(shares), 1) if shares else None


def main() -> int:
    """Run the command; return its exit status."""
    asked = _parse()
    console = Console(stderr=True)
    sizes = [int(size) for size in asked.sizes.split(",")]
    try:
        conversations = load_conversations(asked.data, "locomo")
        with console.status("Starting") as status:
            rows = measure(
                conversations,
                asked.database,
                sizes,
                asked.queries,
                asked.memo_tokens,
                status.update,
            )
    except CallboardError as error:
        console.print(f"Error: {error}", style="red", markup=False)
        return 1
    if asked.json:
        print(json.dumps({"machine": describe_machine(), "rows": rows}, indent=2))
    else:
        print(describe_machine())
        for row in rows:
            print(", ".join(f"{name} {value}" for name, value in row.items()))
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m callboard.benchmarks.memory_size")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--database", required=True, help="the URL of a PostgreSQL with pgvector")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--memo-tokens", type=int, default=512)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
