"""How long does recalling take of a thousand chunks, and of a hundred thousand?

    python -m callboard.benchmarks.memory_speed --data DIR [--sizes 1000,100000] [--queries N]
        [--memo-tokens N] [--json]

The chunks are turns of LoCoMo's conversations 0 to 3; where there are not enough, halves of two
turns make another one, with the mean of their vectors, in a copy of the session. The queries are
the questions about them, embedded beforehand, as the router has done when a turn recalls. Adding is
measured on turns that were never seen: how many a second are stored for good, 30 at a time and two
at a time (as a turn of a board is), and how many the encoder reads in the background.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
from rich.console import Console

from ..errors import CallboardError
from ..router.budget import FixedPolicy
from ..store.chunks import ChunkRow, Embedded
from ..values import JSON, Scope, Tier
from .conversation_memory import ConversationMemory
from .machine import describe_machine
from .memory import MemorySetup, open_desk
from .metrics import quantile
from .sets.conversation import Conversation, Said
from .sets.conversations import load_conversations

SIZES = (1000, 100_000)
CONVERSATIONS = 4
ADDED, AT_A_TIME = 300, (30, 2)
_STORED_AT_ONCE = 2000
"""Chunks of one transaction while a large memory is filled; adding is measured apart."""
_TIERS: tuple[Tier, ...] = ("low", "mid")


def measure(
    turns: Sequence[Said],
    new: Sequence[Said],
    questions: Sequence[str],
    sizes: Sequence[int],
    memo_tokens: int,
    told: Callable[[str], None],
) -> list[dict[str, JSON]]:
    """Return a row per size; adding is measured on `new` turns."""
    with tempfile.TemporaryDirectory(prefix="callboard-bench-") as folder:
        setup = MemorySetup(memo_tokens=memo_tokens, replies=Path(folder) / "replies.db")
        return asyncio.run(_measure(turns, new, questions, sizes, setup, Path(folder), told))


async def _measure(
    turns: Sequence[Said],
    new: Sequence[Said],
    questions: Sequence[str],
    sizes: Sequence[int],
    setup: MemorySetup,
    folder: Path,
    told: Callable[[str], None],
) -> list[dict[str, JSON]]:
    desk = open_desk(setup, folder)
    try:
        told("storing and embedding")
        await desk.store_all([_conversation("base", turns)])
        rates = await _adding(desk, new)
        rows: list[dict[str, JSON]] = []
        for size in sizes:
            told(f"{size} chunks: storing")
            await asyncio.to_thread(fill, desk, str(size), size)
            # The first recall of a memory reads it into its indexes.
            started = time.perf_counter()
            await desk.recall(str(size), questions[0], FixedPolicy("mid"))
            row: dict[str, JSON] = {"chunks": size, "memo_tokens": setup.memo_tokens}
            row["first_s"] = round(time.perf_counter() - started, 2)
            for tier in _TIERS:
                told(f"{size} chunks: {tier}")
                recalled = [
                    await desk.recall(str(size), text, FixedPolicy(tier)) for text in questions
                ]
                taken = sorted(1000 * one.latency_s for one in recalled)
                row[f"{tier}_p50_ms"] = round(quantile(taken, 0.5), 1)
                row[f"{tier}_p95_ms"] = round(quantile(taken, 0.95), 1)
            rows.append({**row, "queries": len(questions), **rates})
        return rows
    finally:
        await desk.close()


async def _adding(desk: ConversationMemory, turns: Sequence[Said]) -> dict[str, JSON]:
    rates: dict[str, JSON] = {}
    for some in AT_A_TIME:
        started = time.perf_counter()
        for number in range(0, len(turns), some):
            said = [replace(turn, session="s") for turn in turns[number : number + some]]
            await desk.store_one(_conversation(f"added-{some}-{number}", said))
        rates[f"stored_per_s_{some}_at_a_time"] = round(
            len(turns) / (time.perf_counter() - started)
        )
        await desk.settle()
        rates["embedded_per_s"] = round(len(turns) / (time.perf_counter() - started))
    return rates


def _conversation(name: str, turns: Sequence[Said]) -> Conversation:
    return Conversation(name=name, turns=tuple(turns), questions=())


def fill(desk: ConversationMemory, user: str, size: int) -> None:
    """Store `size` chunks for a user: those of the user "base", and mixtures of them."""
    chunks, base = desk.store.chunks, Scope(user="base")
    known = chunks.all(base)
    tokens = chunks.tokens(base, desk.encoder.name, [row.id for row in known])
    more = _mixed(known)
    for start in range(0, size, _STORED_AT_ONCE):
        numbers = range(start, min(start + _STORED_AT_ONCE, size))
        sources = [known[n] if n < len(known) else next(more) for n in numbers]
        rows = [
            replace(row, id=f"{n}.0000", run_id=f"{n}")
            for n, row in zip(numbers, sources, strict=True)
        ]
        chunks.add(Scope(user=user), rows)
        made = [
            Embedded(
                id=row.id,
                encoder=desk.encoder.name,
                vector=row.vector or b"",
                tokens=tokens[source.id],
            )
            for row, source in zip(rows, sources, strict=True)
        ]
        chunks.embed(Scope(user=user), made)


def _mixed(known: Sequence[ChunkRow]) -> Iterator[ChunkRow]:
    """Yield mixtures of two chunks: half of the words of each, and the mean of their vectors.

    They stand in copies of the sessions of the first one, in the same order.
    """
    draw = random.Random(0)
    for copy in count(1):
        for one in known:
            other = draw.choice(known)
            words, more = one.text.split(), other.text.split()
            text = " ".join((*words[: len(words) // 2], *more[len(more) // 2 :]))
            both = sum(np.frombuffer(each.vector or b"", "<f4") for each in (one, other))
            vector = (both / np.linalg.norm(both)).astype("<f4").tobytes()
            yield replace(one, text=text, vector=vector, session=f"{one.session}-{copy}")


def main() -> int:
    """Run the command; return its exit status."""
    asked = _parse()
    console = Console(stderr=True)
    try:
        conversations = load_conversations(asked.data, "locomo")
    except CallboardError as error:
        console.print(f"Error: {error}", style="red", markup=False)
        return 1
    known, others = conversations[:CONVERSATIONS], conversations[CONVERSATIONS:]
    questions = [question.text for one in known for question in one.questions]
    drawn = random.Random(0).sample(questions, min(asked.queries, len(questions)))
    turns, new = (
        [replace(turn, session=f"{one.name}-{turn.session}") for one in part for turn in one.turns]
        for part in (known, others)
    )
    sizes = [int(size) for size in asked.sizes.split(",")]
    with console.status("Starting") as status:
        rows = measure(turns, new[:ADDED], drawn, sizes, asked.memo_tokens, status.update)
    if asked.json:
        print(json.dumps({"machine": describe_machine(), "rows": rows}, indent=2))
    else:
        print(describe_machine())
        for row in rows:
            print(", ".join(f"{name} {value}" for name, value in row.items()))
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m callboard.benchmarks.memory_speed")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--memo-tokens", type=int, default=512)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
