"""Outcomes: queries, and how well each model answered them; what a ladder's predictor learns from.

One JSON object a line: `{"query": ..., "scores": {"small": 0.4, "main": 0.9}}`, and where they are
known the models' `draft`, mean `logprob` of a token, and `cost_usd`, each by model as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from ...errors import InvalidInput


class Outcome(BaseModel):
    """How models answered one query. Scores are points of quality, 0 is wrong and 1 is right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: str = Field(validation_alias=AliasChoices("query", "question"))
    scores: Mapping[str, FiniteFloat]
    draft: Mapping[str, str] = {}
    logprob: Mapping[str, FiniteFloat] = {}
    cost_usd: Mapping[str, FiniteFloat] = {}


def outcomes_of(rows: Iterable[Mapping[str, Any]], rungs: Sequence[str]) -> tuple[Outcome, ...]:
    """Return the outcomes in rows of JSON.

    Raises:
        InvalidInput: a row is not in the form, or has no score of a rung.
    """
    found = []
    for number, row in enumerate(rows, start=1):
        try:
            outcome = Outcome.model_validate(row)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(step) for step in first["loc"])
            raise InvalidInput(
                f"Outcome {number}: {where!r}: {first['msg']}. Each is a JSON object with query "
                "and scores, and draft, logprob and cost_usd if they are known."
            ) from error
        missing = next((rung for rung in rungs if rung not in outcome.scores), None)
        if missing is not None:
            raise InvalidInput(
                f"Outcome {number} has no score of {missing!r}; it has: "
                f"{', '.join(outcome.scores) or 'none'}."
            )
        found.append(outcome)
    return tuple(found)


def check_rungs(rungs: Sequence[str]) -> None:
    """See that these models make a ladder.

    Raises:
        InvalidInput: they are fewer than two, or one is there twice.
    """
    if len(rungs) < 2 or len(set(rungs)) < len(rungs):
        raise InvalidInput(
            f"A ladder has two rungs or more, each of them once, and not {', '.join(rungs) or '0'}."
        )


def known_of_all(outcomes: Sequence[Outcome], field: str, rungs: Sequence[str]) -> bool:
    """Tell whether all outcomes know a field of these rungs; False where none does.

    Raises:
        InvalidInput: some do and some don't.
    """
    holding = [all(rung in getattr(one, field) for rung in rungs) for one in outcomes]
    if any(holding) and not all(holding):
        raise InvalidInput(
            f"{len(holding) - sum(holding)} of {len(holding)} outcomes lack {field} of "
            f"{' or '.join(rungs)}. Give it for all of them, or leave it out."
        )
    return any(holding)
