"""What a Board sees to beside its runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callboard.config import RetentionSettings
from callboard.pipelines.upkeep import Upkeep
from callboard.store.engine import Store
from callboard.store.runs import RunEnd
from callboard.values import Scope

pytestmark = pytest.mark.asyncio


async def kept_until(upkeep: Upkeep, reached: Callable[[], bool]) -> None:
    """Let the upkeep go on until something is so."""
    keeping = asyncio.create_task(upkeep.keep())
    try:
        async with asyncio.timeout(20):
            while not reached():
                await asyncio.sleep(0.01)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_what_is_too_old_goes_after_a_while_and_again_later(tmp_path: Path) -> None:
    now = [datetime(2026, 1, 15, tzinfo=UTC)]
    store, ann = Store.open(f"sqlite:///{tmp_path}/a.db", clock=lambda: now[0]), Scope(user="ann")

    def ask(run_id: str) -> None:
        claim = store.runs.create(ann, run_id, "Why?", options={}, owner="me", lease_s=30)
        store.runs.record(claim, end=RunEnd(status="done", answer="Because."))

    def ids() -> list[str]:
        return [run.id for run in store.runs.list(ann)]

    upkeep = Upkeep(
        store=store,
        forget=lambda: None,
        retention=RetentionSettings(runs_days=30),
        look_s=0.01,
        first_s=0.05,
        every_s=0.05,
    )
    ask("first")
    now[0] += timedelta(days=31)
    ask("second")
    await kept_until(upkeep, lambda: ids() == ["second"])
    now[0] += timedelta(days=31)
    await kept_until(upkeep, lambda: ids() == [])
    store.close()


async def reach(forgotten: list[str], times: int) -> None:
    async with asyncio.timeout(20):
        while len(forgotten) < times:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert len(forgotten) == times


async def test_what_another_process_erased_is_forgotten_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    store, other = Store.open(url), Store.open(url)
    forgotten: list[str] = []
    upkeep = Upkeep(
        store=store,
        forget=lambda: forgotten.append("all"),
        retention=None,
        look_s=0.01,
    )
    keeping = asyncio.create_task(upkeep.keep())
    await asyncio.sleep(0.3)
    assert forgotten == []
    other.users.forget(Scope(user="ann"))
    await reach(forgotten, 1)
    other.users.forget(Scope(tenant="umbrella", user="ann"))
    await reach(forgotten, 2)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    store.close()
    other.close()
