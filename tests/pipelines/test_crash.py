"""Workers are killed at random and the database is restarted, and nothing is lost or done twice."""

from __future__ import annotations

import multiprocessing
import os
import queue
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import crash_worker
import psycopg
import pytest
from openai_server import OpenAIServer, Reply
from postgres import Postgres

from callboard import Done, Event, StepEnded, StepStarted
from callboard.store.claims import GOING

CALLED = (*crash_worker.AGENTS, crash_worker.MERGER)
PRELOADED = [
    "crash_worker",
    "onnxruntime",
    "psycopg",
    "callboard.memory.recall",
    "callboard.models.direct",
    "callboard.pipelines.conductor",
]


@dataclass(frozen=True, kw_only=True)
class Drill:
    """What is done to whom."""

    workers: int
    runs: int
    kills: int
    lease_s: float
    settled_s: float


SHORT = Drill(workers=2, runs=60, kills=6, lease_s=3.0, settled_s=150.0)
LONG = Drill(workers=4, runs=300, kills=30, lease_s=5.0, settled_s=900.0)


@pytest.fixture
def server_of_its_own() -> Iterator[Postgres]:
    """Return a PostgreSQL that may be stopped and started."""
    with Postgres(own=True) as server:
        yield server


def answer(request: dict[str, Any]) -> Reply:
    """Answer slowly enough to be hit in the middle."""
    model = request["model"]
    if model == crash_worker.MERGER:
        return Reply(text="alpha says 1. beta says 2.", delay_s=0.1)
    return Reply(text=f"{model} says {1 if model == 'alpha' else 2}.", delay_s=0.4)


class Workers:
    """Processes that are killed and replaced; what they acknowledged is written down."""

    def __init__(self, drill: Drill, url: str, server: str) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)
        limits = {"lease_s": drill.lease_s, "turns_at_once": 8}
        self._arguments = (url, server, limits)
        self._todo: queue.Queue[int] = queue.Queue()
        self._sent = Counter[int]()
        self._all: list[Any] = []
        self._working: list[Any] = []
        self._ready = queue.Queue[Any]()
        self._closing = False
        self.acknowledged: dict[str, str] = {}
        for _ in range(drill.workers):
            self.begin()

    def begin(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=crash_worker.work, args=(*self._arguments, theirs))
        process.start()
        theirs.close()
        self._all.append(process)
        threading.Thread(target=self._feed, args=(process, ours), daemon=True).start()

    def ask(self, number: int) -> None:
        """Have a worker accept a query."""
        self._todo.put(number)

    def choose(self) -> Any:
        """Return a worker that works; on a slow machine it takes a moment until one does."""
        while True:
            while not self._ready.empty():
                self._working.append(self._ready.get())
            if self._working:
                return random.choice(self._working)
            time.sleep(0.05)

    def kill_one(self) -> None:
        process = self.choose()
        self._working.remove(process)
        process.kill()
        process.join()

    def pause_one(self, for_s: float) -> None:
        """Let a worker stand still, so that it doesn't know what became of its runs."""
        process = self.choose()
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(for_s)
        os.kill(process.pid, signal.SIGCONT)

    def close(self) -> None:
        self._closing = True
        for process in self._all:
            process.kill()
            process.join()

    def _feed(self, process: Any, orders: Connection) -> None:
        try:
            orders.recv()
        except EOFError:
            return
        self._ready.put(process)
        while not self._closing:
            with suppress(queue.Empty):
                number = self._todo.get(timeout=0.1)
                self._sent[number] += 1
                query = f"Query {number}.{self._sent[number]}"
                try:
                    orders.send(query)
                    run_id = orders.recv()
                except (EOFError, OSError):
                    self._todo.put(number)
                    return
                if run_id is None:
                    self._todo.put(number)
                else:
                    self.acknowledged[run_id] = query


def under_fire(drill: Drill, postgres: Postgres, url: str, server: OpenAIServer) -> Workers:
    """Have the queries accepted, a worker killed every second, and the database restarted once."""
    workers = Workers(drill, url, server.url)
    try:
        workers.choose()
        for second in range(drill.kills):
            for number in range(second, drill.runs, drill.kills):
                workers.ask(number)
            if second == drill.kills // 2:
                postgres.restart(down_s=1.0)
            if second == drill.kills // 3:
                workers.pause_one(drill.lease_s + 2)
            time.sleep(1)
            workers.kill_one()
            workers.begin()
        wait_for_all(drill, url, workers)
    finally:
        workers.close()
    return workers


def wait_for_all(drill: Drill, url: str, workers: Workers) -> None:
    deadline = time.monotonic() + drill.settled_s
    while time.monotonic() < deadline:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            going = connection.execute(
                "SELECT count(*) FROM runs WHERE status = ANY(%s)", [list(GOING)]
            ).fetchone()
        if len(workers.acknowledged) == drill.runs and going == (0,):
            return
        time.sleep(0.5)
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        open_ones = connection.execute(
            "SELECT id, status, owner, fence, losses, lease_until - now(), last_seq FROM runs "
            "WHERE status = ANY(%s)",
            [list(GOING)],
        ).fetchall()
    raise AssertionError(f"{len(workers.acknowledged)} were acknowledged, and go on: {open_ones}")


def check_events(events: list[Event]) -> None:
    """See that there is one end, at the end, and that no two processes wrote into each other."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [isinstance(event.body, Done) for event in events] == [False] * (len(events) - 1) + [
        True
    ]
    attempts = Counter[str]()
    done = set()
    for event in events:
        match event.body:
            case StepStarted(step=step):
                assert step.key not in done  # what is committed never runs again
                assert step.attempt > attempts[step.key]
                attempts[step.key] = step.attempt
            case StepEnded(step=step):
                assert step.attempt == attempts[step.key]
                done.add(step.key)


def check(drill: Drill, url: str, workers: Workers, server: OpenAIServer) -> str:
    """See that the promises were kept, and return what it took."""
    calls = Counter[tuple[str, str]]()
    for request in server.requests:
        query = re.search(r"Query \d+\.\d+", str(request["messages"]))
        assert query is not None
        calls[query.group(), request["model"]] += 1
    repeated = lost_lines = losses = 0
    with crash_worker.crash_board(url, server.url) as board:
        store = board._house.store
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            rows = connection.execute("SELECT id, query, fence FROM runs").fetchall()
        stored = {run_id: query for run_id, query, _ in rows}
        assert workers.acknowledged.items() <= stored.items()
        for run_id, query, fence in rows:
            run = board.get_sync(run_id, user=query)
            assert (run.status, run.error) == ("done", None)
            assert run.answer is not None
            assert "alpha says 1." in run.answer
            assert "beta says 2." in run.answer
            assert {step.status for step in run.steps} == {"done"}
            check_events(list(board.events_sync(run_id, user=query)))
            lines = store.ledger.entries(run.scope, run_id)
            for model in CALLED:
                made = calls[query, model]
                written = [line.status for line in lines if line.model == model]
                lost = len(written) - written.count("settled")
                assert 1 <= made <= fence, (model, made, written, run.steps)
                assert written.count("settled") <= made <= len(written)
                assert lost <= fence - 1, (written, made, fence, run, lines)
                repeated += made - 1
                lost_lines += lost
            losses += fence - 1
    accepted = len(rows) - len(workers.acknowledged)
    return (
        f"{len(rows)} runs, {accepted} of them accepted by a worker that died before it said so; "
        f"{drill.kills} kills, 1 pause and 1 restart hit {losses} runs in the middle; of "
        f"{sum(calls.values())} calls {repeated} were repeated, {lost_lines} ledger lines are of "
        "unknown cost"
    )


@pytest.mark.parametrize(
    "drill",
    [
        pytest.param(SHORT, id="short", marks=pytest.mark.timeout(300)),
        pytest.param(LONG, id="long", marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
    ],
)
def test_what_was_accepted_is_finished_once_whatever_is_killed(
    drill: Drill, server_of_its_own: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    url = server_of_its_own.new_database()
    with OpenAIServer(answer) as server:
        with crash_worker.crash_board(url, server.url) as board:
            crash_worker.register(board)
            board.prepare_sync(learn=False)  # what is computed once is there for all
        workers = under_fire(drill, server_of_its_own, url, server)
        figures = check(drill, url, workers, server)
    with capsys.disabled():
        print(f"\n{figures}")
