from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from routing import BILLING, DELIVERY, TRAVEL, WordEncoder, asked, changed, knowledge

from callboard.router.retrieval.calibration import Trial
from callboard.router.retrieval.heads import Heads
from callboard.router.retrieval.index import AgentIndex, Match
from callboard.router.retrieval.interaction import Interaction
from callboard.router.retrieval.knowledge import Knowledge
from callboard.router.retrieval.learning import FOLDS, held_out, learn
from callboard.router.retrieval.query import QueryViews
from callboard.router.retrieval.scoring import USUAL_BORDER
from callboard.router.retrieval.surroundings import Surroundings
from callboard.router.retrieval.texts import background

ENCODER = WordEncoder()
EVERYDAY = ENCODER.encode(background())
INTERACTION = Interaction([])
ONE = changed(TRAVEL, examples=("book me a train to Oslo",))


@dataclass
class Seen:
    """One comparison: the query, and the examples that index and heads knew of then."""

    query: str
    indexed: set[str]
    learned: set[str] = field(default_factory=set)


class WatchedIndex(AgentIndex):
    """Writes down what it and the heads knew when it was asked."""

    def __init__(self, log: list[Seen]) -> None:
        super().__init__(EVERYDAY.mean(axis=0), INTERACTION)
        self._log = log

    def compare(
        self, query: QueryViews, *, heads: Heads | None = None, **options: object
    ) -> list[Match]:
        learned = {} if heads is None else heads.learned
        seen = Seen(query.views[0].text, examples(self.known), examples(learned))
        self._log.append(seen)
        return super().compare(query, heads=heads, **options)  # type: ignore[arg-type]


def examples(known: Mapping[str, Knowledge]) -> set[str]:
    for one in known.values():
        assert len(one.texts.examples) == len(one.examples)
    return {example for one in known.values() for example in one.texts.examples}


def tried(known: Mapping[str, Knowledge]) -> tuple[list[Trial], list[Seen]]:
    log: list[Seen] = []
    around = Surroundings.of(EVERYDAY, known.values())
    return held_out(known, lambda: WatchedIndex(log), ENCODER, around), log


def test_examples_are_scored_by_what_has_not_seen_them() -> None:
    known = knowledge(ENCODER, BILLING, DELIVERY, ONE, interaction=INTERACTION)
    trials, log = tried(known)
    assert [seen.query for seen in log] == [trial.query for trial in trials]
    everything = examples(known)
    for seen in log:
        assert seen.query not in seen.indexed
        assert seen.query not in seen.learned
        assert seen.indexed == seen.learned
        assert len(seen.indexed) >= len(everything) - -(-len(everything) // FOLDS)


def test_every_example_is_tried_once_but_never_the_only_one_of_its_agent() -> None:
    trials, log = tried(knowledge(ENCODER, BILLING, DELIVERY, ONE, interaction=INTERACTION))
    assert sorted(trial.query for trial in trials) == sorted(
        (*BILLING.examples, *DELIVERY.examples)
    )
    assert all(ONE.examples[0] in seen.indexed for seen in log)


def test_a_trial_says_who_was_compared_and_where_its_agent_stood() -> None:
    parcels = changed(DELIVERY, examples=("where is parcel 7", "where is parcel 8"))
    trials, _ = tried(knowledge(ENCODER, BILLING, parcels, interaction=INTERACTION))
    by_query = {trial.query: trial for trial in trials}
    trial = by_query["where is parcel 7"]
    assert (trial.agent, trial.right) == ("delivery", 0)
    assert set(trial.names) == {"billing", "delivery"}
    assert trial.relevance[0] > trial.relevance[1]


def test_the_same_board_is_tried_in_the_same_way() -> None:
    known = knowledge(ENCODER, BILLING, DELIVERY, interaction=INTERACTION)
    (one, _), (two, _) = tried(known), tried(known)
    assert [trial.query for trial in one] == [trial.query for trial in two]
    assert all(np.array_equal(a.relevance, b.relevance) for a, b in zip(one, two, strict=True))


def test_what_was_learned_tells_examples_from_everyday_queries() -> None:
    known = knowledge(ENCODER, BILLING, DELIVERY, interaction=INTERACTION)
    around = Surroundings.of(EVERYDAY, known.values())
    learned = learn(known, lambda: WatchedIndex([]), ENCODER, around, EVERYDAY)
    assert learned.heads is not None
    assert set(learned.heads.places) == {"billing", "delivery"}
    assert len(learned.calibration.held_out) == 6
    index = WatchedIndex([])
    index.put(known)
    (best, *_) = index.compare(asked(ENCODER, "Why was I charged twice?"), heads=learned.heads)
    assert best.agent == "billing"


def test_without_examples_there_are_no_heads_and_no_trials() -> None:
    known = knowledge(ENCODER, TRAVEL, changed(BILLING, examples=()), interaction=INTERACTION)
    around = Surroundings.of(EVERYDAY, known.values())
    learned = learn(known, lambda: WatchedIndex([]), ENCODER, around, EVERYDAY)
    assert learned.heads is None
    assert learned.calibration.least(0.8) is None
    assert learned.calibration.border != USUAL_BORDER


def test_a_single_agent_is_learned_without_heads() -> None:
    known = knowledge(ENCODER, BILLING, interaction=INTERACTION)
    around = Surroundings.of(EVERYDAY, known.values())
    learned = learn(known, lambda: WatchedIndex([]), ENCODER, around, EVERYDAY)
    assert learned.heads is None
    assert learned.calibration.held_out.tolist() == [1.0] * 3
