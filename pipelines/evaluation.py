"""Evaluation: the user's questions, the agents that should answer, and what must be said.

A file of questions (YAML or JSON) holds under `questions` a list of
`{question, agents: [...], facts: [...]}`. `agents: []` means out of scope; `any_of: [[a], [b, c]]`
names several right sets; `facts` are strings that must stand in the answer.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..config import explain
from ..errors import InvalidInput
from ..values import Decision, Run


class Question(BaseModel):
    """One question with what is expected of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str = Field(min_length=1)
    id: str | int | None = None
    agents: tuple[str, ...] | None = None
    any_of: tuple[tuple[str, ...], ...] = ()
    facts: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _says_who(self) -> Question:
        if (self.agents is None) == (not self.any_of):
            raise ValueError("give either 'agents' ([] for out of scope) or 'any_of'")
        return self

    @property
    def right_sets(self) -> tuple[tuple[str, ...], ...]:
        """The sets of agents that are right; an empty one means out of scope."""
        return self.any_of or (self.agents or (),)

    @property
    def in_scope(self) -> bool:
        """Whether some agent should answer."""
        return any(self.right_sets)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    questions: tuple[Question, ...] = Field(min_length=1)


class Asked(Protocol):
    """The part of a Board that evaluation needs."""

    def run_sync(self, query: str) -> Run:
        """Answer."""

    def route_sync(self, query: str) -> Decision:
        """Decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share in percent, with its 95 % interval (Wilson's score interval)."""

    hits: int
    total: int

    @property
    def percent(self) -> float | None:
        """The share in percent; None of nothing."""
        return round(100 * self.hits / self.total, 2) if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Low and high in percent. Source: Wilson, JASA 22 (1927), with z = 1.96."""
        if not self.total:
            return None
        z, n, p = 1.96, self.total, self.hits / self.total
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = max(0.0, middle - half), min(1.0, middle + half)
        return (round(100 * low, 2), round(100 * high, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One question and what came of it; `cost_usd` None is unknown."""

    question: Question
    chosen: tuple[str, ...]
    missing_facts: tuple[str, ...]
    status: str
    latency_s: float
    cost_usd: Decimal | None

    @property
    def any_right(self) -> bool:
        """TCAR's rule: a right agent stands anywhere in the set."""
        return any(name in self.chosen for right in self.question.right_sets for name in right)

    @property
    def all_right(self) -> bool:
        """All agents of one right set stand in the set."""
        return any(right and set(right) <= set(self.chosen) for right in self.question.right_sets)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with it."""
        routed = self.all_right if self.question.in_scope else not self.chosen
        return routed and not self.missing_facts and self.status != "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an evaluation found. Rates are in percent, each with its 95 % interval."""

    checked: tuple[Checked, ...] = field(repr=False)

    @property
    def label_in_set(self) -> Rate:
        """Questions in scope with a right agent in the set."""
        inside = [item for item in self.checked if item.question.in_scope]
        return Rate(hits=sum(item.any_right for item in inside), total=len(inside))

    @property
    def all_in_set(self) -> Rate:
        """Questions in scope with all right agents in the set."""
        inside = [item for item in self.checked if item.question.in_scope]
        return Rate(hits=sum(item.all_right for item in inside), total=len(inside))

    @property
    def oos_recall(self) -> Rate:
        """Questions out of scope for which nobody was called."""
        outside = [item for item in self.checked if not item.question.in_scope]
        return Rate(hits=sum(not item.chosen for item in outside), total=len(outside))

    @property
    def facts_kept(self) -> Rate:
        """Facts that stand in the answers."""
        asked = sum(len(item.question.facts) for item in self.checked)
        return Rate(hits=asked - sum(len(item.missing_facts) for item in self.checked), total=asked)

    @property
    def mean_set_size(self) -> float | None:
        """Agents called per question in scope."""
        sizes = [len(item.chosen) for item in self.checked if item.question.in_scope]
        return round(statistics.fmean(sizes), 3) if sizes else None

    @property
    def cost_usd(self) -> Decimal | None:
        """What all questions cost; None if that of one is unknown."""
        costs = [item.cost_usd for item in self.checked]
        return None if None in costs else sum((c for c in costs if c is not None), Decimal(0))

    @property
    def failures(self) -> tuple[Checked, ...]:
        """The questions with which something is wrong."""
        return tuple(item for item in self.checked if not item.good)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        cost = self.cost_usd
        latencies = [item.latency_s for item in self.checked]
        found: dict[str, Any] = {"questions": len(self.checked)}
        for name in ("label_in_set", "all_in_set", "oos_recall", "facts_kept"):
            rate: Rate = getattr(self, name)
            found[name] = rate.percent
            found[f"{name}_interval"] = rate.interval
        return {
            **found,
            "mean_set_size": self.mean_set_size,
            "cost_usd": None if cost is None else float(cost),
            "p50_ms": round(1000 * statistics.median(latencies), 1),
            "failures": [_failure(item) for item in self.failures],
        }


def read_questions(path: Path) -> tuple[Question, ...]:
    """Read a file of questions.

    Raises:
        InvalidInput: it can't be read, or an entry is wrong.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(f"The questions in {str(path)!r} can't be read: {error}") from error
    if isinstance(data, list):
        data = {"questions": data}
    try:
        return _File.model_validate(data).questions
    except ValidationError as error:
        raise InvalidInput(f"{str(path)!r}: {explain(error, _File)}") from error


def evaluate(
    board: Asked,
    questions: Sequence[Question],
    *,
    answers: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Ask every question and check what comes; without `answers` only the routing is checked."""
    checked = []
    for number, question in enumerate(questions, start=1):
        checked.append(_answered(board, question) if answers else _routed(board, question))
        if progress is not None:
            progress(number, len(questions))
    return Report(checked=tuple(checked))


def _answered(board: Asked, question: Question) -> Checked:
    run = board.run_sync(question.question)
    said = (run.answer or "").casefold()
    return Checked(
        question=question,
        chosen=run.decision.agents if run.decision else (),
        missing_facts=tuple(fact for fact in question.facts if fact.casefold() not in said),
        status=run.status,
        latency_s=run.latency_s or 0.0,
        cost_usd=run.cost_usd,
    )


def _routed(board: Asked, question: Question) -> Checked:
    decision = board.route_sync(question.question)
    return Checked(
        question=question.model_copy(update={"facts": ()}),
        chosen=decision.agents,
        missing_facts=(),
        status="routed",
        latency_s=decision.latency_s,
        cost_usd=decision.cost_usd,
    )


def _failure(item: Checked) -> dict[str, Any]:
    sets = [list(right) for right in item.question.right_sets]
    return {
        "question": item.question.question,
        "expected": sets[0] if len(sets) == 1 else sets,
        "chosen": list(item.chosen),
        "missing_facts": list(item.missing_facts),
        "status": item.status,
    }
