"""How quick are the pages of the app over many stored runs?

    python -m callboard.benchmarks.inspector [--runs 10000] [--browser] [--json]

One real turn of two bundled agents is stored many times, over 90 days, 20 users and 400 sessions,
with its decision, steps and outputs as they were. `store` figures are of the read functions that
the pages call; with `--browser` (needs chromium and the package playwright) `browser` figures are
of a click or an address until the page stands still.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console

from ..board import Board
from ..records import RunFilter
from ..store.allowance import Allowance
from ..store.booking import settling
from ..store.engine import Store
from ..store.runs import RunEnd
from ..values import JSON, AnswerDelta, Candidate, Done, Run, Scope, StepEnded, Usage
from .machine import describe_machine
from .metrics import quantile

QUERY = "What is 15% of 240, and which weekday is 90 days after 2026-01-15?"
WORDS = ("invoice", "refund", "garden", "train", "recipe", "weather", "meeting", "budget")
REPEATS = 15
LISTED = "text=Select a row to open its run."
"""Stands below the table of runs."""
SETTINGS = (
    'database_url = "sqlite:///runs.db"\nbundled_agents = true\n[router]\npolicy = "retrieval"\n'
)


class _Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def fill(url: str, template: Run, count: int, told: Callable[[int], None]) -> list[str]:
    """Store `count` variants of a run, the oldest first; return their ids."""
    draw = random.Random(0)
    clock = _Clock(datetime.now(UTC) - timedelta(days=90))
    store = Store.open(url, clock=clock)
    ids = []
    for number in range(count):
        clock.now += timedelta(days=90 / count)
        run_id = f"{draw.getrandbits(128):032x}"
        scope = Scope(user=f"user-{draw.randrange(20)}", session=f"s{draw.randrange(400)}")
        _store(store, clock, scope, run_id, _variant(template, run_id, draw, clock.now))
        ids.append(run_id)
        if number % 500 == 0:
            told(number)
    store.close()
    return ids


def _variant(template: Run, run_id: str, draw: random.Random, now: datetime) -> Run:
    """Return the run with another query, other agents, times and costs."""
    if template.decision is None:
        raise ValueError("the template was not decided")
    agents = draw.sample([one.agent for one in template.decision.candidates], 2)
    candidates = tuple(
        Candidate(agent=one.agent, score=one.score, chosen=one.agent in agents, reason=one.reason)
        for one in template.decision.candidates
    )
    names = dict(zip(template.decision.agents, agents, strict=True))
    began = template.steps[0].started_at
    steps = []
    for step in template.steps:
        agent = names.get(step.agent or "", step.agent)
        usage = step.usage
        if step.name == "act":
            usage = Usage(
                input_tokens=draw.randrange(2000),
                output_tokens=draw.randrange(500),
                cost_usd=Decimal(draw.randrange(5_000_000)) / 1_000_000_000,
            )
        steps.append(
            replace(
                step,
                id=f"{run_id[:16]}-{step.id[:8]}",
                parent_id=step.parent_id and f"{run_id[:16]}-{step.parent_id[:8]}",
                run_id=run_id,
                agent=agent,
                key=step.key.replace(step.agent, agent) if step.agent and agent else step.key,
                model="main" if step.name == "act" else None,
                usage=usage,
                started_at=now + (step.started_at - began),
            )
        )
    query = f"{QUERY} About the {draw.choice(WORDS)} of {draw.randrange(10_000)}."
    decision = replace(template.decision, agents=tuple(agents), candidates=candidates)
    return replace(template, query=query, decision=decision, steps=tuple(steps))


def _store(store: Store, clock: _Clock, scope: Scope, run_id: str, run: Run) -> None:
    claim = store.runs.create(scope, run_id, run.query, options={}, owner="bench", lease_s=30)
    bookings = []
    for step in run.steps:
        if step.model is not None:
            meter = store.ledger.meter(
                scope, run_id, allowance=Allowance(), step="act", agent=step.agent
            )
            held, booking = meter.reserving(step.usage.cost_usd, step.model)
            bookings += [booking, settling(scope, held, step.usage)]
    store.runs.record(claim, steps=run.steps, decision=run.decision, bookings=bookings)
    clock.now += timedelta(seconds=2)
    ended = [StepEnded(step=replace(step, output=None)) for step in run.steps]
    store.runs.record(
        claim,
        events=[*ended, AnswerDelta(text=run.answer or ""), Done(status="done", answer=run.answer)],
        end=RunEnd(status="done", answer=run.answer),
    )


def store_rows(board: Board, ids: Sequence[str]) -> Iterator[dict[str, JSON]]:
    """Yield how long each read takes that the pages ask for."""
    records, everyone = board.records, None
    reads: dict[str, Callable[[], Any]] = {
        "list": lambda: records.runs_sync(user=everyone),
        "list, page 100": lambda: records.runs_sync(user=everyone, offset=4950),
        "filter by agent": lambda: records.runs_sync(RunFilter(agent="units"), user=everyone),
        "filter by user": lambda: records.runs_sync(user="user-7"),
        "filter by session": lambda: records.runs_sync(RunFilter(session="s7"), user=everyone),
        "filter by cost": lambda: records.runs_sync(
            RunFilter(least_usd=Decimal("0.004")), user=everyone
        ),
        "filter by text": lambda: records.runs_sync(RunFilter(text="refund"), user=everyone),
        "one run": lambda: records.run_sync(ids[len(ids) // 2], user=everyone),
        "sessions of a user": lambda: board.sessions.list_sync(user="user-7"),
        "figures of turns": lambda: records.turns_sync(user=everyone),
        "figures of agents": lambda: records.agents_sync(user=everyone),
        "spend": lambda: records.spend_sync(user=everyone),
    }
    for name, read in reads.items():
        yield _row("store", name, [_timed(read) for _ in range(REPEATS)])


def browser_rows(settings: Path, run_id: str) -> Iterator[dict[str, JSON]]:
    """Yield how long it takes in a browser until the page stands still."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with _served(settings) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})

        def settled(selector: str) -> None:
            expect(page.locator(selector).first).to_be_visible()
            expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()

        def link(name: str, selector: str) -> Callable[[], None]:
            def follow() -> None:
                page.get_by_role("link", name=name).click()
                settled(selector)

            return follow

        page.goto(url)
        settled("[data-testid=stChatInput]")
        times = []
        for _ in range(REPEATS):
            times.append(_timed(link("Decisions", LISTED)))
            link("Chat", "[data-testid=stChatInput]")()
        yield _row("browser", "list, by the link", times)
        times = []
        for _ in range(REPEATS):
            link("Decisions", LISTED)()
            box = page.get_by_test_id("stDataFrame").first.bounding_box() or {"x": 0, "y": 0}
            where = (box["x"] + 16, box["y"] + 52)

            def click(where: tuple[float, float] = where) -> None:
                page.mouse.click(*where)
                settled("[role=tab]")

            times.append(_timed(click))
            page.get_by_role("button", name="All runs").click()
            settled(LISTED)
        yield _row("browser", "one run, by its row", times)
        times = []
        for word in (WORDS * 2)[:REPEATS]:
            words = page.get_by_role("textbox", name="Text in the question or answer")
            words.fill(word)

            def enter(word: str = word) -> None:
                page.keyboard.press("Enter")
                expect(page.get_by_text("10,0", exact=False)).to_have_count(0)
                settled(LISTED)

            times.append(_timed(enter))
            words.fill("")
            page.keyboard.press("Enter")
            expect(page.get_by_text("10,0", exact=False).first).to_be_visible()
        yield _row("browser", "filter by text", times)

        def address() -> None:
            page.goto(f"{url}/decisions?run={run_id}")
            settled("[role=tab]")

        opened = [_timed(address) for _ in range(5)]
        yield _row("browser", "one run, by its address (the whole app loads)", opened)
        browser.close()


@contextmanager
def _served(settings: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = [sys.executable, "-m", "callboard", "--config", str(settings), "ui", "--port", str(port)]
    process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):  # noqa: S310
                    break
            except OSError:
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def plans(url: str) -> list[str]:
    """Return how SQLite finds the rows of the list and of its filters."""
    from sqlalchemy import create_engine, text

    engine = create_engine(url)
    asked = {
        "list": "SELECT run_id FROM summaries WHERE tenant='local' "
        "ORDER BY created_at DESC, run_id DESC LIMIT 50",
        "of a user": "SELECT run_id FROM summaries WHERE tenant='local' AND user_id='user-7' "
        "ORDER BY created_at DESC, run_id DESC LIMIT 50",
        "of a session": "SELECT run_id FROM summaries WHERE tenant='local' AND user_id='user-7' "
        "AND session='s7' ORDER BY created_at DESC LIMIT 50",
        "acts": "SELECT agent, status, latency_s FROM steps WHERE name='act' AND tenant='local' "
        "AND started_at >= '2026-01-01'",
        "spend": "SELECT sum(settled_nano) FROM ledger WHERE tenant='local' "
        "AND created_at >= '2026-01-01'",
        "steps of a run": "SELECT * FROM steps WHERE run_id='x'",
    }
    with engine.connect() as connection:
        return [
            f"{name}: {row[3]}"
            for name, query in asked.items()
            for row in connection.execute(text(f"EXPLAIN QUERY PLAN {query}"))
        ]


def _timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def _row(kind: str, name: str, times_ms: Sequence[float]) -> dict[str, JSON]:
    return {
        "kind": kind,
        "name": name,
        "p50_ms": round(quantile(sorted(times_ms), 0.5), 1),
        "p95_ms": round(quantile(sorted(times_ms), 0.95), 1),
        "repeats": len(times_ms),
    }


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(prog="callboard.benchmarks.inspector")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--browser", action="store_true")
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    err = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="callboard-bench-") as folder:
        settings = Path(folder) / "callboard.toml"
        settings.write_text(SETTINGS, encoding="utf-8")
        with Board.from_config(settings) as board:
            board.memory.add_sync("My favourite weekday is Wednesday.")
            template = board.run_sync(QUERY)
            url = board.settings.database_url
        with err.status("Storing runs") as status:
            ids = fill(url, template, given.runs, lambda n: status.update(f"Stored {n:,} runs"))
            status.update("Measuring")
            with Board.from_config(settings) as board:
                rows = list(store_rows(board, ids))
            if given.browser:
                rows += browser_rows(settings, ids[-3])
            found = plans(url)
    if given.as_json:
        print(
            json.dumps(
                {"machine": describe_machine(), "runs": given.runs, "rows": rows, "plans": found},
                indent=2,
            )
        )
        return
    out = Console()
    out.print(describe_machine())
    for row in rows:
        out.print(f"{row['kind']:8} {row['name']:44} {row['p50_ms']:8.1f} {row['p95_ms']:8.1f} ms")
    out.print("\n".join(found), markup=False)


if __name__ == "__main__":
    main()
