from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from routing import WordEncoder

from callboard.errors import InvalidInput
from callboard.models.ladder.features import Draft
from callboard.pipelines.training.ladder import Trained, train_ladder
from callboard.pipelines.training.outcomes import Outcome, outcomes_of

RUNGS = ("small", "main")


def outcomes(count: int = 200, *, drafts: bool = False, costs: bool = False) -> Iterator[Outcome]:
    """Sums, where only the large model is right, riddles, where none is, and greetings, where both.

    With drafts a query tells nothing, and the draft of a sum says "perhaps".
    """
    draw = random.Random(3)
    for number in range(count):
        kind = draw.choice(("sum", "riddle", "greeting"))
        scores = {"sum": (0.0, 1.0), "riddle": (0.0, 0.0), "greeting": (1.0, 1.0)}[kind]
        said = "perhaps" if kind == "sum" else "surely"
        yield Outcome(
            query=f"query {number}" if drafts else f"{kind} {number}",
            scores=dict(zip(RUNGS, scores, strict=True)),
            draft={"small": f"{said} {number}"} if drafts else {},
            cost_usd={"small": 0.001, "main": 0.003} if costs else {},
        )


def train(given: Sequence[Outcome], **settings: float) -> Trained:
    return train_ladder(given, RUNGS, encoder=WordEncoder(), refuses=lambda *_: False, **settings)


def row(trained: Trained, method: str) -> dict:
    return next(one for one in trained.rows if one["method"].startswith(method))


def test_it_learns_where_the_dearer_gains_and_not_where_the_cheaper_is_poor() -> None:
    trained = train(tuple(outcomes()))
    sums, riddles = (
        trained.predictor.before(WordEncoder().encode([f"{kind} 7"])[0])[0]
        for kind in ("sum", "riddle")
    )
    assert sums > 0.7 > 0.3 > riddles
    kept = row(trained, f"tau {trained.predictor.tau:.3f}")
    assert kept["quality"] >= 0.9 * row(trained, "always main")["quality"]
    assert kept["answers_main"] < 0.5
    assert row(trained, "oracle")["quality"] == row(trained, "always main")["quality"]
    assert trained.predictor.card["encoder"] == "words"
    assert trained.predictor.card["costs_usd"] is None


def test_drafts_tell_what_the_query_does_not() -> None:
    predictor = train(tuple(outcomes(drafts=True, costs=True))).predictor
    assert predictor.reads_drafts
    assert predictor.margins[0] > 0.2
    assert predictor.card["costs_usd"] == pytest.approx([0.001, 0.003])
    query, perhaps, surely = WordEncoder().encode(["query 7", "perhaps 7", "surely 7"])
    told = Draft(text="perhaps 7", refuses=False)
    gains = [predictor.after(0, query, draft, told) for draft in (perhaps, surely)]
    assert gains[0] > gains[1] + 0.3


def test_the_same_seed_gives_the_same_predictor_and_to_keep_more_lowers_tau() -> None:
    given = tuple(outcomes())
    first, again = train(given), train(given)
    query = np.ones(64, np.float32)
    assert first.predictor.before(query) == again.predictor.before(query)
    taus = [train(given, kept=kept).predictor.tau for kept in (0.0, 0.5, 1.0)]
    assert taus == sorted(taus, reverse=True)


def test_outcomes_that_do_not_fit_are_refused() -> None:
    some = [*outcomes(60, drafts=True), *outcomes(60)]
    with pytest.raises(InvalidInput, match="60 of 120 outcomes lack draft of small"):
        train(some)
    with pytest.raises(InvalidInput, match="There are 9 outcomes; at least 50"):
        train(tuple(outcomes(9)))
    with pytest.raises(InvalidInput, match="two rungs or more"):
        train_ladder(tuple(outcomes()), ["main"], encoder=WordEncoder(), refuses=lambda *_: False)
    with pytest.raises(InvalidInput, match="Outcome 1 has no score of 'main'; it has: small"):
        outcomes_of([{"query": "q", "scores": {"small": 1}}], RUNGS)
    with pytest.raises(InvalidInput, match="Outcome 1: 'score': Extra inputs"):
        outcomes_of([{"query": "q", "scores": {}, "score": 1}], RUNGS)
