"""Is the routing better where a model is asked? Each query is its own comparison.

    python -m callboard.benchmarks.reasoning --data DIR --sets NAME,NAME --config FILE
        [--model NAME] [--reading reason|likelihood|both] [--queries N] [--lines FILE] [--json]

Test queries are taken in a fixed random order, and routed with `policy = "auto"` until the model
was asked about N of each set; those are routed by retrieval alone too. Agents have no examples.
What was measured is kept in `--lines`, and a run that was broken off goes on from there.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..board import Board
from ..config import Reading, RouterSettings
from ..errors import CallboardError
from ..router.choice import COUNTS_HALF
from ..values import JSON
from .metrics import mcnemar, mean, wilson
from .routing import House, Setup, choose_least
from .routing_report import Routed
from .sets import Labelled, load_set

QUERIES = 150
"""Of one set that the model is asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One query, the `number`th of its set: what retrieval alone and the model made of it.

    `consistent` None: the model's reply was of no use, and retrieval decided.
    """

    set: str
    number: int
    query: str
    retrieval_first: bool
    retrieval_in_set: bool
    retrieval_size: int
    auto_first: bool
    auto_in_set: bool
    auto_size: int
    consistent: bool | None
    reason: str
    seconds: float


def compare(name: str, data: Path, setup: Setup, queries: int, lines: Path) -> None:
    """Measure one set, and append a line for each query that the model was asked about.

    Raises:
        CallboardError: the set or the settings are wrong.
    """
    known = [pair for pair in read(lines) if pair.set == name]
    routing_set = load_set(data, name)
    test = list(routing_set.test)
    random.Random(0).shuffle(test)
    with tempfile.TemporaryDirectory(prefix="callboard-bench-") as folder, Progress() as bar:
        task = bar.add_task(name, total=queries, completed=len(known))
        house = House(Path(folder) / "bench.db", routing_set.agents, setup)
        with house.board({"policy": "retrieval"}) as board:
            valid = house.ask(board, "validation", routing_set.valid)
        least = choose_least([one.decision for one in valid], most=RouterSettings().max_agents)
        router = {"min_probability": least}
        with (
            house.board({**router, "policy": "retrieval"}) as alone,
            house.board({**router, "policy": "auto"}) as asking,
            lines.open("a", encoding="utf-8") as file,
        ):
            start = max((pair.number for pair in known), default=-1) + 1
            found = len(known)
            for number in range(start, len(test)):
                if found >= queries:
                    break
                pair = _pair(name, number, test[number], house, alone, asking)
                if pair is not None:
                    file.write(json.dumps(asdict(pair), ensure_ascii=False) + "\n")
                    file.flush()
                    found += 1
                    bar.update(task, completed=found)


def _pair(
    name: str, number: int, asked: Labelled, house: House, alone: Board, asking: Board
) -> Pair | None:
    (auto,) = house.ask(asking, name, [asked])
    if auto.decision.method == "retrieval":
        return None
    (retrieval,) = house.ask(alone, name, [asked])
    judged = auto.decision.method == "reasoning"
    return Pair(
        set=name,
        number=number,
        query=asked.query,
        retrieval_first=retrieval.at_1,
        retrieval_in_set=retrieval.in_set,
        retrieval_size=len(retrieval.decision.agents),
        auto_first=_first(auto),
        auto_in_set=auto.in_set,
        auto_size=len(auto.decision.agents),
        consistent=COUNTS_HALF not in auto.decision.reason if judged else None,
        reason=auto.decision.reason,
        seconds=round(auto.latency_s, 3),
    )


def _first(routed: Routed) -> bool:
    """Tell whether the most probable agent is right, also where the set names another first."""
    ranked = sorted(routed.decision.candidates, key=lambda one: -one.score)
    return bool(ranked) and ranked[0].agent in routed.asked.labels


def read(lines: Path) -> list[Pair]:
    """Return what was measured so far."""
    if not lines.exists():
        return []
    return [Pair(**json.loads(line)) for line in lines.read_text(encoding="utf-8").splitlines()]


def report(pairs: Sequence[Pair]) -> dict[str, JSON]:
    """Return the figures of some pairs; shares in percent, with 95 % intervals.

    `reasoned_share` is the share of all queries that the model was asked about.
    """
    last = dict.fromkeys(sorted({pair.set for pair in pairs}), 0)
    for pair in pairs:
        last[pair.set] = max(last[pair.set], pair.number + 1)
    judged = [pair.consistent for pair in pairs if pair.consistent is not None]
    figures: dict[str, JSON] = {
        "sets": ", ".join(last),
        "queries": len(pairs),
        **_share("reasoned_share", len(pairs), sum(last.values())),
        **_share("consistent", sum(judged), len(judged)),
        "useless": len(pairs) - len(judged),
        "seconds": _round(mean(pair.seconds for pair in pairs)),
    }
    for what in ("first", "in_set"):
        before = [bool(getattr(pair, f"retrieval_{what}")) for pair in pairs]
        after = [bool(getattr(pair, f"auto_{what}")) for pair in pairs]
        figures |= _share(f"retrieval_{what}", sum(before), len(pairs))
        figures |= _share(f"auto_{what}", sum(after), len(pairs))
        figures[f"{what}_p"] = float(f"{mcnemar(before, after):.2g}")
    figures["retrieval_size"] = _round(mean(pair.retrieval_size for pair in pairs))
    figures["auto_size"] = _round(mean(pair.auto_size for pair in pairs))
    return figures


def _share(name: str, hits: int, total: int) -> dict[str, JSON]:
    interval = wilson(hits, total)
    return {
        name: round(100 * hits / total, 2) if total else None,
        f"{name}_ci": interval and [round(100 * bound, 2) for bound in interval],
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare on some sets, and print the figures of each and of all together."""
    parser = argparse.ArgumentParser(description=__doc__, prog="callboard.benchmarks.reasoning")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", default="hwu64,sgd-tcar")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--model", default="main")
    parser.add_argument("--reading", default="reason", choices=get_args(Reading))
    parser.add_argument("--queries", type=int, default=QUERIES)
    parser.add_argument("--lines", type=Path, default=Path("reasoning.jsonl"))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    names = given.sets.split(",")
    setup = Setup(policy="auto", model=given.model, reading=given.reading, config=given.config)
    try:
        for name in names:
            compare(name, given.data, setup, given.queries, given.lines)
    except CallboardError as error:
        sys.exit(f"error: {error}")
    pairs = [pair for pair in read(given.lines) if pair.set in names]
    reports = [report([pair for pair in pairs if pair.set == name]) for name in names]
    reports += [report(pairs)] if len(names) > 1 else []
    if given.json:
        print(json.dumps(reports))
        return
    table = Table("figure", *(str(one["sets"]) for one in reports))
    for figure in list(reports[0])[1:]:
        table.add_row(figure, *(str(one[figure]) for one in reports))
    Console().print(table)


if __name__ == "__main__":
    main()
