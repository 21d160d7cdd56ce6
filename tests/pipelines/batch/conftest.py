from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from fan_work import Answerer

from callboard.pipelines.batch.batch import Batch, Standing, run_batch
from callboard.pipelines.fanning import HERE, Place, Work


class Bench:
    """A batch in a folder of its own: `write` its lines, `run` it, and look at what came."""

    def __init__(self, folder: Path) -> None:
        self.file, self.out, self.log = folder / "in.jsonl", folder / "out.jsonl", folder / "log"
        self.told: list[Standing] = []

    def write(self, *lines: str | dict[str, Any]) -> None:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        self.file.write_text("\n".join(texts) + "\n", encoding="utf-8")

    def run(
        self,
        *,
        cost_usd: float | None = 0.0,
        size: int = 2,
        place: Place = HERE,
        then: Callable[[Standing], None] = lambda standing: None,
        stop: Event | None = None,
        **options: Any,
    ) -> Standing:
        work = Work(make=Answerer, settings={"cost_usd": cost_usd, "file": str(self.log)})
        batch = Batch(
            file=self.file,
            out=self.out,
            work=work,
            place=place,
            size=size,
            **{"route": False, **options},
        )

        def told(standing: Standing) -> None:
            self.told.append(standing)
            then(standing)

        return run_batch(batch, told, stop)

    @property
    def answers(self) -> list[dict[str, Any]]:
        """What the file of answers holds, by line."""
        lines = [json.loads(line) for line in self.out.read_text(encoding="utf-8").splitlines()]
        return sorted(lines, key=lambda line: line["line"])

    @property
    def asked(self) -> list[str]:
        """The queries that were asked, in their order."""
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return [line.removeprefix("begin ") for line in lines if line.startswith("begin ")]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
