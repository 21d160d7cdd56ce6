"""What does a turn cost beside its model calls, and how many turns go at once?

    python fake_server.py --port 9901 &     # any instant server that speaks OpenAI's API
    callboard bench overhead --server http://127.0.0.1:9901 [--peers DIR] [--json]

The job: one query about two things among eight agents, two of whom answer, one answer of theirs.
It goes through a whole Board with a database, with one in memory, without memory of turns, and
with a model that is asked without LiteLLM (`direct`); beside it bare `litellm.acompletion` makes
the very calls that the Board made, recorded from it.
Each row is a process of its own; `cpu_ms` is all CPU of that process per query, on all threads.

The server should offer `POST /config?latency_ms=N`, `POST /reset` and `GET /stats` (with `calls`);
where it does not, calls are taken from the recording and the 20 ms column stays empty. `--peers`
names a folder with scripts of other frameworks that do the same job (`b_NAME.py`, each with an
interpreter of its own in `v/ENV`); those that are installed are measured in the same run, and one
that fails has a row with its error.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

from ..agents.spec import Agent
from ..board import Board
from ..config import Settings, load_settings
from ..errors import CallboardError
from ..values import JSON
from .metrics import quantile

Query: TypeAlias = Callable[[str], Awaitable[Any]]

ASKED = "I was charged twice for my plan and since then I cannot log in, please fix both."
AGENTS = {
    "billing": (
        "Answers questions about invoices, refunds, charges and payment methods.",
        (
            "You charged my card two times this month.",
            "I want my money back.",
            "Where do I find my invoice?",
            "Can I pay by bank transfer?",
            "Why is my plan more expensive now?",
        ),
    ),
    "tech_support": (
        "Solves technical problems: login, crashes, errors and set-up of the product.",
        (
            "It says that my password is wrong.",
            "The app crashes when it starts.",
            "How do I set it up on a new laptop?",
            "I can't sign in to my account any more.",
            "Error 502 on every page, please fix it.",
        ),
    ),
    "travel": (
        "Plans journeys, finds flights and hotels and checks visa rules.",
        ("Find me a flight to Lisbon.", "Do I need a visa for Japan?", "A hotel near the station."),
    ),
    "weather": (
        "Gives weather forecasts, storm alerts and climate facts.",
        ("Will it rain tomorrow?", "Is a storm coming?", "How warm is it in May in Rome?"),
    ),
    "math": (
        "Solves equations, statistics and calculations step by step.",
        ("Solve x^2 = 9.", "What is the mean of 3, 4 and 8?", "Calculate 15% of 80."),
    ),
    "legal": (
        "Explains contracts, terms of service and privacy law.",
        ("What does this clause mean?", "Can I end the contract early?", "What is the GDPR?"),
    ),
    "hr": (
        "Answers questions about leave, salaries and company policy.",
        ("How many days of leave have I left?", "When is pay day?", "May I work from home?"),
    ),
    "cooking": (
        "Suggests recipes, menus and kitchen techniques.",
        ("A recipe for lentil soup.", "How do I poach an egg?", "Plan a menu for six."),
    ),
}
"""Each with queries as its owner would write them; none of them is the one that is asked."""
AT_ONCE = 32
BOARDS: Mapping[str, Mapping[str, Any]] = {
    "callboard": {},
    "callboard, direct": {"direct": True},
    "callboard, direct, no memory of turns": {"direct": True, "memory": {"enabled": False}},
    "callboard, no memory of turns": {"memory": {"enabled": False}},
    "callboard, database in memory": {"database_url": "sqlite://"},
}
BARE = "litellm_same_calls"
PEERS = {
    "langgraph_send": ("langgraph", "b_langgraph.py"),
    "openai_agents": ("openai_agents", "b_openai_agents.py"),
    "pydantic_ai": ("pydantic_ai", "b_pydantic_ai.py"),
    "agent_squad": ("agent_squad", "b_agent_squad.py"),
}


def measure_overhead(
    server: str,
    *,
    peers: Path | None,
    turns: int,
    told: Callable[[str], None],
    rows: Sequence[str] = (),
) -> Iterator[dict[str, JSON]]:
    """Yield a row per way to do the job: calls, milliseconds, CPU and queries a second.

    `rows` are those of ours to measure; none: all, and bare LiteLLM.

    Raises:
        CallboardError: the server can't be reached, or a row failed.
    """
    base = server.removesuffix("/").removesuffix("/v1")
    with tempfile.TemporaryDirectory(prefix="callboard-bench-") as folder:
        calls = Path(folder) / "calls.json"
        for name in rows or (*BOARDS, BARE):
            told(name)
            command = [sys.executable, "-m", __spec__.name, base, name, str(turns), str(calls)]
            yield _row_of(subprocess.run(command, capture_output=True, text=True, check=False))  # noqa: S603
    for name, (environment, script) in PEERS.items() if peers else ():
        python = (peers or Path()) / "v" / environment / "bin" / "python"
        if not python.exists():
            continue
        told(name)
        more = {"FAKE_BASE": base, "N": str(turns), "NC": str(turns), "CONC": str(AT_ONCE)}
        done = subprocess.run(  # noqa: S603
            [str(python), "-W", "ignore", script],
            cwd=peers,
            env={**os.environ, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:  # of another release than its script is for
            yield {"name": name, "error": done.stderr.strip().rpartition("\n")[2][-200:]}
        else:
            yield _peer_row(name, _row_of(done))


def _row_of(done: subprocess.CompletedProcess[str]) -> dict[str, JSON]:
    if done.returncode:
        raise CallboardError(f"A row failed: {done.stderr.strip()[-600:]}")
    row: dict[str, JSON] = json.loads(done.stdout.strip().splitlines()[-1])
    return row


def _peer_row(name: str, told: Mapping[str, JSON]) -> dict[str, JSON]:
    return {
        "name": name,
        "calls_per_query": told["calls_per_query"],
        "median_ms": told["median_ms"],
        "p95_ms": told["p95_ms"],
        "cpu_ms": told["cpu_ms_per_query"],
        "qps_32": told["qps"],
        "qps_32_20ms": told["qps_20ms"],
    }


def _settings(url: str, folder: Path, more: Mapping[str, Any]) -> Settings:
    settings = dict(more)
    model = {
        "model": "openai/gpt-4o-mini",
        "api_base": f"{url}/v1",
        "direct": settings.pop("direct", False),
    }
    values: dict[str, Any] = {
        "database_url": f"sqlite:///{folder / 'board.db'}",
        "bundled_agents": False,
        "models": {"main": model},
        **settings,
    }
    return load_settings(**values)


@contextmanager
def _board(url: str, more: Mapping[str, Any]) -> Iterator[Board]:
    with (
        tempfile.TemporaryDirectory(prefix="callboard-bench-") as folder,
        Board(_settings(url, Path(folder), more), recover=False) as board,
    ):
        board.register_all(
            [
                Agent(name=name, description=text, examples=examples)
                for name, (text, examples) in AGENTS.items()
            ]
        )
        board.prepare_sync(learn=True)
        yield board


def _recorded(more: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the bodies of the calls that a Board makes for one query."""
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            bodies.append(body)
            # Answers that differ, so that they have to be merged.
            text = f"Point {len(bodies)} of your question is settled."
            self._send(body, text)

        def _send(self, body: Mapping[str, Any], text: str) -> None:
            kind = "message" if not body.get("stream") else "delta"
            said = {"role": "assistant", "content": text}
            whole = {
                "id": "c",
                "created": 0,
                "model": body["model"],
                "object": "chat.completion" + (".chunk" if kind == "delta" else ""),
                "choices": [{"index": 0, kind: said, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
            }
            data = json.dumps(whole).encode()
            if kind == "delta":
                data = b"data: " + data + b"\n\ndata: [DONE]\n\n"
            self.send_response(200)
            self.send_header(
                "Content-Type", "text/event-stream" if kind == "delta" else "application/json"
            )
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with _board(f"http://127.0.0.1:{server.server_address[1]}", more) as board:
            board.run_sync(ASKED)
    finally:
        server.shutdown()
        server.server_close()
    return bodies


async def _bare(url: str, calls: Sequence[Mapping[str, Any]]) -> str:
    """Make the calls as the Board does: the agents side by side, then the merging."""
    import litellm

    async def call(body: Mapping[str, Any]) -> str:
        sent = {**body, "model": f"openai/{body['model']}", "api_base": f"{url}/v1"}
        reply = await litellm.acompletion(**sent, api_key="none", num_retries=0, max_retries=0)
        if not body.get("stream"):
            return reply.choices[0].message.content or ""
        pieces = [chunk.choices[0].delta.content async for chunk in reply if chunk.choices]
        return "".join(piece or "" for piece in pieces)

    *first, last = calls
    await asyncio.gather(*(call(body) for body in first))
    return await call(last)


async def _timed(url: str, name: str, query: Query, turns: int, calls: int) -> dict[str, JSON]:
    """Ask one after the other, then 32 at a time, then so with a server that takes 20 ms."""
    controlled = _told(url, "/config?latency_ms=0")
    for _ in range(10):
        await query(ASKED)
    _told(url, "/reset")
    took, cpu = [], time.process_time()
    for _ in range(turns):
        began = time.perf_counter()
        await query(ASKED)
        took.append((time.perf_counter() - began) * 1000)
    cpu_ms = (time.process_time() - cpu) / turns * 1000
    counted = _stats(url)
    row: dict[str, JSON] = {
        "name": name,
        "calls_per_query": counted / turns if counted is not None else calls,
        "median_ms": round(statistics.median(took), 2),
        "p95_ms": round(quantile(sorted(took), 0.95), 2),
        "cpu_ms": round(cpu_ms, 2),
        "qps_32": round(await _rate(query, turns), 1),
        "qps_32_20ms": None,
    }
    if controlled:
        _told(url, "/config?latency_ms=20")
        row["qps_32_20ms"] = round(await _rate(query, turns), 1)
        _told(url, "/config?latency_ms=0")
    return row


async def _rate(query: Query, turns: int) -> float:
    room = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with room:
            await query(ASKED)

    await asyncio.gather(*(one() for _ in range(2 * AT_ONCE)))  # opens the connections
    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(turns)))
    return turns / (time.perf_counter() - began)


def _told(url: str, path: str) -> bool:
    try:
        request = urllib.request.Request(f"{url}{path}", method="POST")  # noqa: S310
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return True
    except OSError:
        return False


def _stats(url: str) -> int | None:
    try:
        with urllib.request.urlopen(f"{url}/stats", timeout=10) as told:  # noqa: S310
            return int(json.load(told)["calls"])
    except (OSError, ValueError, KeyError):
        return None


def main() -> None:
    """Measure one row, and print it as JSON."""
    parser = argparse.ArgumentParser(prog="callboard.benchmarks.overhead")
    parser.add_argument("server")
    parser.add_argument("row")
    parser.add_argument("turns", type=int)
    parser.add_argument("calls", type=Path)
    given = parser.parse_args()
    if given.row == BARE:
        calls = json.loads(given.calls.read_text(encoding="utf-8"))
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        row = asyncio.run(
            _timed(
                given.server,
                given.row,
                lambda asked: _bare(given.server, calls),
                given.turns,
                len(calls),
            )
        )
    else:
        more = BOARDS[given.row]
        calls = _recorded(more)
        if given.row == "callboard":
            given.calls.write_text(json.dumps(calls), encoding="utf-8")
        with _board(given.server, more) as board:
            row = asyncio.run(_timed(given.server, given.row, board.run, given.turns, len(calls)))
    print(json.dumps(row))


if __name__ == "__main__":
    main()
