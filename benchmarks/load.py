"""How many clients does the service carry, how long do they wait, and what does a turn cost it?

    callboard bench load --clients 500 --seconds 60 --workers 1

Everything is real and on this machine: a model server that takes `latency_ms` for an answer and
streams it, `callboard serve` with its workers and a database, and clients, each a user of its own,
that ask, read the stream to its end, and ask again. Clients, model and workers share the
processors, so that on a small machine turns a second say little; the CPU of a turn, that of the
worker processes alone, says more.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from ..agents.spec import Agent
from ..board import Board
from ..config import load_settings
from ..errors import CallboardError
from ..values import JSON
from .machine import resident_mb
from .metrics import quantile

TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
WORDS = ("It", " is", " all", " well", " with", " your", " order", ".")
WARM_S = 5.0
"""The first seconds are not counted: connections and caches are made then."""
STOP_S = 120.0


@dataclass(slots=True)
class Counted:
    """What the clients saw."""

    latencies_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def measure_load(
    *,
    clients: int,
    seconds: float,
    workers: int,
    latency_ms: float,
    per_second: float | None,
    database_url: str | None,
    told: Callable[[str], None],
) -> dict[str, JSON]:
    """Return what `clients` at once saw in `seconds`, and what it cost the workers.

    With `per_second` so many turns are begun a second, as long as a client is free; None: every
    client asks again as soon as it is answered.

    Raises:
        CallboardError: a process does not start.
    """
    with tempfile.TemporaryDirectory(prefix="callboard-load-") as name, _model(latency_ms) as model:
        folder = Path(name)
        config = folder / "callboard.toml"
        config.write_text(_config(model, database_url or f"sqlite:///{folder / 'load.db'}"))
        key = _prepare(config)
        with _service(config, workers, folder) as (url, pids):
            told("warming up")
            asyncio.run(_ask(url, key, Counted(), min(clients, 50), WARM_S, None))
            before, began = _use(pids()), time.perf_counter()
            told(f"{clients} clients for {seconds:g} s")
            memory = _Memory(pids())
            counted = Counted()
            asyncio.run(_ask(url, key, counted, clients, seconds, per_second, memory.look))
            took, after = time.perf_counter() - began, _use(pids())
    turns = len(counted.latencies_s)
    overhead = sorted(one - latency_ms / 1000 for one in counted.latencies_s)
    return {
        "clients": clients,
        "workers": workers,
        "per_second": per_second,
        "turns": turns,
        "errors": len(counted.errors),
        "first_error": counted.errors[0] if counted.errors else None,
        "turns_per_s": round(turns / took, 1),
        "p50_overhead_ms": _ms(overhead, 0.5),
        "p95_overhead_ms": _ms(overhead, 0.95),
        "p95_first_ms": _ms(sorted(counted.first_s), 0.95),
        "cpu_ms_per_turn": round(1000 * (after - before) / max(turns, 1), 2),
        "rss_mb": memory.told,
    }


async def _ask(
    url: str,
    key: str,
    counted: Counted,
    clients: int,
    seconds: float,
    per_second: float | None,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Let clients ask until the time is over, and wait until all are answered."""
    end = time.perf_counter() + seconds
    due = asyncio.Semaphore(0) if per_second else None
    headers = {"Authorization": f"Bearer {key}"}
    timeout = aiohttp.ClientTimeout(total=STOP_S)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        url, headers=headers, timeout=timeout, connector=connector
    ) as session:

        async def client(number: int) -> None:
            while time.perf_counter() < end:
                if due is not None:
                    await due.acquire()
                    if time.perf_counter() >= end:
                        return
                await _turn(session, number, counted)

        async def pace() -> None:
            while time.perf_counter() < end:
                look()
                for _ in range(round(per_second or 0)):
                    if due is not None:
                        due.release()
                        await asyncio.sleep(1 / (per_second or 1))
                if due is None:
                    await asyncio.sleep(1)
            if due is not None:
                for _ in range(clients):
                    due.release()

        await asyncio.gather(pace(), *(client(number) for number in range(clients)))


async def _turn(session: aiohttp.ClientSession, number: int, counted: Counted) -> None:
    body = {
        "model": "callboard",
        "messages": [{"role": "user", "content": f"Where is my order number {number}?"}],
        "stream": True,
        "user": f"client{number}",
    }
    began = time.perf_counter()
    first = None
    try:
        async with session.post("/v1/chat/completions", json=body) as response:
            last = b""
            async for line in response.content:
                if first is None and b'"content": "' in line and b'"content": ""' not in line:
                    first = time.perf_counter() - began
                last = line.strip() or last
            if response.status != 200 or last != b"data: [DONE]" or first is None:
                counted.errors.append(f"{response.status} {last[:300].decode(errors='replace')}")
                return
    except (aiohttp.ClientError, TimeoutError) as error:
        counted.errors.append(repr(error))
        return
    counted.latencies_s.append(time.perf_counter() - began)
    counted.first_s.append(first)


def _config(model_url: str, database_url: str) -> str:
    return f"""\
database_url = "{database_url}"

[models.main]
model = "openai/load"
api_base = "{model_url}/v1"
direct = true
reasoning = false
timeout_s = {STOP_S:g}
price = {{ input_per_million = 1, output_per_million = 2 }}
"""


def _prepare(config: Path) -> str:
    """Register an agent, and return a key."""
    with Board(load_settings(config), recover=False) as board:
        board.register(
            Agent(
                name="orders",
                description="Tells where orders and parcels are, and when they come.",
                examples=("Where is my order?", "When does my parcel come?"),
            )
        )
        board.prepare_sync()
        return board.keys.create_sync("load").secret


@contextmanager
def _model(latency_ms: float) -> Iterator[str]:
    command = [sys.executable, "-m", __spec__.name, str(latency_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            if not port:
                raise CallboardError("The model server of the benchmark did not start.")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@contextmanager
def _service(
    config: Path, workers: int, folder: Path
) -> Iterator[tuple[str, Callable[[], list[int]]]]:
    """Serve, and yield the address and what tells the processes of the workers."""
    port = _free_port()
    package = __spec__.name.partition(".")[0]
    command = [sys.executable, "-m", package, "--config", str(config), "serve"]
    command += ["--port", str(port), "--workers", str(workers)]
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)  # noqa: S603
    url = f"http://127.0.0.1:{port}"

    def pids() -> list[int]:
        return [process.pid] if workers == 1 else _children(process.pid)

    try:
        asyncio.run(_ready(url, process, folder))
        yield url, pids
    finally:
        process.terminate()
        process.wait()


async def _ready(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    async with aiohttp.ClientSession(url) as session:
        deadline = time.monotonic() + STOP_S
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(aiohttp.ClientError):
                async with session.get("/ready") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.2)
    log = (folder / "serve.log").read_text(errors="replace")
    raise CallboardError(f"The service did not start: {log[-500:]}")


def _free_port() -> int:
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _children(pid: int) -> list[int]:
    """Return the workers among the children of a process: not what only keeps track of things."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lines = {int(one): Path(f"/proc/{one}/cmdline").read_bytes() for one in found}
    return [one for one, line in lines.items() if b"resource_tracker" not in line]


def _use(pids: list[int]) -> float:
    """Return the seconds of CPU that processes have used, on all threads."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


class _Memory:
    """The memory of processes, looked at every second."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self._seen: list[float] = []

    def look(self) -> None:
        self._seen.append(sum(resident_mb(pid) for pid in self._pids))

    @property
    def told(self) -> dict[str, float]:
        """Megabytes in the second quarter of the time, in the last one, and at most."""
        quarter = max(1, len(self._seen) // 4)
        return {
            "second_quarter": round(statistics.mean(self._seen[quarter : 2 * quarter] or [0]), 1),
            "last_quarter": round(statistics.mean(self._seen[-quarter:]), 1),
            "most": round(max(self._seen), 1),
        }


def _ms(values: list[float], share: float) -> float | None:
    return round(1000 * quantile(values, share), 1) if values else None


async def _complete(request: web.Request) -> web.StreamResponse:
    """Answer as a model that takes its time."""
    import json

    body = await request.json()
    await asyncio.sleep(request.app[LATENCY])
    usage = {"prompt_tokens": 100, "completion_tokens": len(WORDS), "total_tokens": 108}
    head = {"id": "chatcmpl-load", "created": int(time.time()), "model": body["model"]}
    if not body.get("stream"):
        message = {"role": "assistant", "content": "".join(WORDS)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
        return web.json_response(answer)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    pieces: list[dict[str, JSON]] = [
        {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
        for word in WORDS
    ]
    pieces.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    pieces.append({"choices": [], "usage": usage})
    lines = [{**head, "object": "chat.completion.chunk", **piece} for piece in pieces]
    await response.write("".join(f"data: {json.dumps(one)}\n\n" for one in lines).encode())
    await response.write(b"data: [DONE]\n\n")
    return response


LATENCY = web.AppKey("latency", float)


async def _serve_model(latency_ms: float) -> None:
    app = web.Application()
    app[LATENCY] = latency_ms / 1000
    app.router.add_post("/v1/chat/completions", _complete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=2048)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Be the model server, in a process of its own."""
    parser = argparse.ArgumentParser(description="A model that takes its time.")
    parser.add_argument("latency_ms", type=float)
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve_model(parser.parse_args().latency_ms))


if __name__ == "__main__":
    main()
