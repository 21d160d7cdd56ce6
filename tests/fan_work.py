"""Work that can be fanned out: at the top of a module, so that other processes find it."""

from __future__ import annotations

import os
import time
from typing import Any

from callboard.errors import InvalidInput


class Doubler:
    """Doubles numbers; `seconds` is what one takes, and 13 can't be doubled."""

    def __init__(self, settings: Any) -> None:
        self.seconds = settings["seconds"]
        self.closed = False

    def __call__(self, item: int) -> dict[str, int]:
        if item == 13:
            raise InvalidInput("13 can't be doubled. Take another number.")
        time.sleep(self.seconds)
        return {"doubled": 2 * item, "process": os.getpid()}

    def close(self) -> None:
        self.closed = True


def closed_door(settings: Any) -> Doubler:
    """Make no worker."""
    raise InvalidInput("The door is closed.")


class Answerer:
    """Answers rows of a batch without a Board: "slow" after a while, "wrong" with an error.

    `cost_usd` is what each costs, None: it is not known. `file` gets a line for every query asked,
    when it begins and when it ends.
    """

    def __init__(self, settings: Any) -> None:
        self.cost_usd = settings.get("cost_usd", 0.0)
        self.file = settings.get("file")

    def __call__(self, item: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [self._answer(row) for row in item]

    def close(self) -> None:
        pass

    def _answer(self, row: dict[str, Any]) -> dict[str, Any]:
        outcome = {"agents": [], "cost_usd": 0.0, "known_cost_usd": 0.0, "latency_s": 0.0}
        if "error" in row:
            return {**outcome, "error": row["error"]}
        query = row["query"]
        self._log(f"begin {query}")
        if "slow" in query:
            time.sleep(0.05)
        self._log(f"end {query}")
        cost = {"cost_usd": self.cost_usd, "known_cost_usd": self.cost_usd or 0.0}
        if "wrong" in query:
            return {**outcome, **cost, "error": "It went wrong."}
        return {**outcome, **cost, "answer": f"{query}!", "agents": ["echo"], "error": None}

    def _log(self, line: str) -> None:
        if self.file is not None:
            with open(self.file, "a", encoding="utf-8") as file:
                file.write(f"{line}\n")
