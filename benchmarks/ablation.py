"""What is each signal of the retrieval router worth, and each rule for the size of a set?

    python -m callboard.benchmarks.ablation --data DIR --set NAME [--shots 0|5|10|all] [--limit N]
        [--json]

The router is measured as it is, then once without each signal, then with other rules for the same
scores. The threshold of every rule is chosen on the validation queries, for sets of 1.37 agents.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeAlias

import numpy as np
from rich.console import Console
from rich.table import Table

from ..agents.registry import Registry
from ..agents.spec import Agent
from ..config import RouterSettings, Settings
from ..errors import CallboardError
from ..router.retrieval.embedding import RememberedEmbedding
from ..router.retrieval.retriever import RetrievalRouter
from ..router.retrieval.scoring import WEIGHTS, Weights
from ..router.selection import probable
from ..search.encoder import Encoder
from ..search.encoders import load_encoder
from ..search.recent import RecentEncoder
from ..store.engine import Store
from ..store.feedback import Vote
from ..values import Scope
from .metrics import wilson
from .routing import SET_SIZE
from .sets import Labelled, Shots, load_set, with_examples

Scores: TypeAlias = tuple[tuple[str, float], ...]
"""Agents with their probabilities, the best first."""
Rule: TypeAlias = Callable[[Sequence[float], float], int]
"""How many agents are called, by their probabilities and a threshold; less of them the higher."""

MOST = 3
_TAUGHT = ("nearest", "head_meaning", "head_words")
"""Signals that only examples give."""


def by_least(shares: Sequence[float], threshold: float) -> int:
    """Call all that reach a probability: the router's own rule."""
    return len(probable(shares, least=threshold))


def by_mass(shares: Sequence[float], threshold: float) -> int:
    """Call the fewest that hold enough probability together (nucleus, arXiv 1904.09751)."""
    held = np.cumsum(shares)
    return int(np.searchsorted(held, 1 - threshold)) + 1


def by_entropy(shares: Sequence[float], threshold: float) -> int:
    """Call one, two or three agents by the Tsallis entropy of the scores.

    Source: DynMoLE (arXiv 2504.00661): S_q = (1 - sum p^q) / (q - 1), here with q = 1.1. Three are
    called at twice the entropy that calls two.
    """
    p = np.asarray(shares) / max(sum(shares), 1e-9)
    entropy = float((1 - (p**1.1).sum()) / 0.1)
    return 1 + (entropy > threshold) + (entropy > 2 * threshold)


RULES: dict[str, Rule] = {"least": by_least, "mass": by_mass, "entropy": by_entropy}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of one variant on the test queries, in percent."""

    name: str
    at_1: float
    label_in_set: float
    interval: tuple[float, float]
    mean_set_size: float


def measure(
    data: Path, name: str, shots: Shots, limit: int | None, progress: Callable[[str], None]
) -> list[Outcome]:
    """Measure all variants on one set.

    Raises:
        CallboardError: the data is missing, or has no examples and some are wanted.
    """
    routing_set = load_set(data, name)
    agents = with_examples(routing_set, shots)
    # Drawn, because the sets are sorted by their labels.
    valid, test = (
        random.Random(0).sample(cases, min(len(cases), limit or len(cases)))
        for cases in (routing_set.valid, routing_set.test)
    )
    settings = Settings()
    encoder = RecentEncoder(load_encoder(settings.encoder, settings.cache_dir))
    outcomes = []
    with _registered(agents) as (store, registry):
        for variant, weights in _variants(taught=shots != 0):
            progress(variant)
            bench = _Bench(encoder, store, registry, weights, settings.cache_dir)
            scored = asyncio.run(bench.score([*valid, *test]))
            rules = RULES if variant == "all signals" else {"least": by_least}
            for rule in rules:
                label = variant if rule == "least" else f"all signals, by {rule}"
                found = scored[: len(valid)], scored[len(valid) :]
                outcomes.append(_outcome(label, RULES[rule], valid, test, *found))
    return outcomes


def _variants(*, taught: bool) -> Iterator[tuple[str, Weights]]:
    yield "all signals", WEIGHTS
    for name in ("tokens", "name", "said", "words", *(_TAUGHT if taught else ())):
        yield f"without {name}", WEIGHTS.without(name)
    if taught:
        yield "without heads", WEIGHTS.without("head_meaning", "head_words")


@contextmanager
def _registered(agents: Sequence[Agent]) -> Iterator[tuple[Store, Registry]]:
    with tempfile.TemporaryDirectory(prefix="callboard-bench-") as folder:
        store = Store.open(f"sqlite:///{Path(folder) / 'bench.db'}")
        try:
            registry = Registry(store.agents, models=Settings().models, bundled=())
            registry.register_all(Scope(), agents)
            yield store, registry
        finally:
            store.close()


@dataclass(frozen=True, slots=True)
class _Bench:
    encoder: Encoder
    store: Store
    registry: Registry
    weights: Weights
    cache_dir: Path

    async def score(self, cases: Sequence[Labelled]) -> list[Scores]:
        """Return the scores of every case."""
        embedding = RememberedEmbedding(
            self.encoder, self.store, Scope(), bundled=(), cache_dir=self.cache_dir
        )

        async def no_votes(seq: int) -> tuple[Vote, ...]:
            return ()

        router = RetrievalRouter(
            self.encoder, embedding, no_votes, RouterSettings(), self.cache_dir, self.weights
        )
        snapshot = self.registry.snapshot(Scope())
        await router.settle(snapshot)
        found = []
        for case in cases:
            retrieval = await router.retrieve(case.query, snapshot, history=case.history)
            best: dict[str, float] = {}
            for part in retrieval.parts:
                for one in part.scores:
                    best[one.agent] = max(one.probability, best.get(one.agent, 0.0))
            found.append(tuple(sorted(best.items(), key=lambda item: -item[1])))
        await router.close()
        return found


def _outcome(
    name: str,
    rule: Rule,
    valid: Sequence[Labelled],
    test: Sequence[Labelled],
    valid_scores: Sequence[Scores],
    test_scores: Sequence[Scores],
) -> Outcome:
    threshold = _threshold(rule, valid_scores)
    sets = [[agent for agent, _ in one[: _size(rule, one, threshold)]] for one in test_scores]
    pairs = list(zip(sets, test, strict=True))
    hits = sum(bool(case.labels & set(chosen)) for chosen, case in pairs)
    low, high = wilson(hits, len(test)) or (0.0, 0.0)
    return Outcome(
        name=name,
        at_1=100 * float(np.mean([chosen[0] in case.labels for chosen, case in pairs])),
        label_in_set=100 * hits / len(test),
        interval=(100 * low, 100 * high),
        mean_set_size=float(np.mean([len(chosen) for chosen in sets])),
    )


def _threshold(rule: Rule, scores: Sequence[Scores]) -> float:
    """Return the lowest threshold whose sets have the size that is wanted, by bisection."""
    low, high = 0.0, 10.0
    for _ in range(40):
        middle = (low + high) / 2
        small = float(np.mean([_size(rule, one, middle) for one in scores])) <= SET_SIZE
        low, high = (low, middle) if small else (middle, high)
    return high


def _size(rule: Rule, scores: Scores, threshold: float) -> int:
    return min(MOST, len(scores), rule([share for _, share in scores], threshold))


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", default="hwu64", dest="name")
    parser.add_argument("--shots", default="0", choices=["0", "5", "10", "all"])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    err = Console(stderr=True)
    shots: Shots = "all" if given.shots == "all" else int(given.shots)  # type: ignore[assignment]
    try:
        found = measure(given.data, given.name, shots, given.limit, err.print)
    except CallboardError as error:
        sys.exit(str(error))
    if given.json:
        rows = [{one.name: getattr(row, one.name) for one in fields(row)} for row in found]
        print(json.dumps({"set": given.name, "shots": shots, "variants": rows}))
        return
    table = Table("variant", "at 1", "label in set", "95 %", "mean set size")
    for row in found:
        interval = f"{row.interval[0]:.1f} to {row.interval[1]:.1f}"
        figures = (f"{row.at_1:.1f}", f"{row.label_in_set:.1f}", interval)
        table.add_row(row.name, *figures, f"{row.mean_set_size:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
