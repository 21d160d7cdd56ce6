from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from routing import BILLING, DELIVERY, TRAVEL, RecordingEmbedding, Router, WordEncoder, of, shares

from callboard.config import RouterSettings
from callboard.router.choice import choose
from callboard.router.guard import judge_scope
from callboard.router.retrieval.retriever import RetrievalRouter
from callboard.router.retrieval.votes import BOUND, SIMILAR, Lean, Votes
from callboard.search.encoder import Vectors
from callboard.store.feedback import Vote

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ENCODER = WordEncoder()


def vote(number: int = 1, **fields: object) -> Vote:
    given = {"agent": "billing", "score": 1.0, "user": "ann", "query": "my bill", **fields}
    return Vote(
        feedback_id=f"f{number}",
        run_id=f"r{number}",
        created_at=NOW,
        undone_at=None,
        seq=number,
        **given,  # type: ignore[arg-type]
    )


def at(cosine: float) -> Vectors:
    """Return a vector with this cosine to `at(1)`."""
    return np.array([cosine, np.sqrt(1 - cosine**2)], np.float32)


def counted(*votes: Vote, cosine: float = 1.0) -> Votes:
    found = Votes()
    found.take(votes, [at(cosine)] * len(votes))
    return found


def change(votes: Votes, agent: str = "billing") -> float:
    return votes.leans(at(1))[agent].change


said = st.builds(
    vote,
    st.integers(1, 1000),
    score=st.floats(-1, 1),
    user=st.sampled_from(["ann", "bob", "eve", *map(str, range(30))]),
)


@given(st.lists(st.tuples(said, st.floats(-1, 1)), max_size=40))
def test_whatever_is_said_an_agent_moves_by_less_than_the_bound(
    given: list[tuple[Vote, float]],
) -> None:
    votes = Votes()
    votes.take([one for one, _ in given], [at(cosine) for _, cosine in given])
    for lean in votes.leans(at(1)).values():
        assert abs(lean.change) < BOUND


def test_approval_lifts_and_disapproval_lowers() -> None:
    assert change(counted(vote())) > 0
    assert change(counted(vote(score=-1))) == pytest.approx(-change(counted(vote())))
    assert change(counted(vote(), vote(2, user="bob", score=-1))) == pytest.approx(0)


def test_one_user_who_says_it_often_is_one_voice() -> None:
    once = counted(vote())
    often = counted(*(vote(number) for number in range(50)))
    assert change(often) == pytest.approx(change(once))
    assert often.leans(at(1))["billing"].users == 1


def test_more_users_weigh_more() -> None:
    changes = [
        change(counted(*(vote(number, user=f"u{number}") for number in range(count))))
        for count in (1, 2, 5, 50)
    ]
    assert changes == sorted(changes)
    assert changes[0] < BOUND / 2 < changes[-1]


def test_the_more_alike_the_queries_the_more_is_said() -> None:
    near, far = (counted(vote(), cosine=cosine) for cosine in (0.95, 0.7))
    assert change(near) > change(far) > 0
    assert counted(vote(), cosine=SIMILAR - 0.01).leans(at(1)) == {}


def test_a_vote_is_for_its_agent_alone() -> None:
    votes = Votes()
    votes.take(
        [vote(1, query="far"), vote(2, query="near"), vote(3, agent="dates", score=-1)],
        [at(0.7), at(0.9), at(1)],
    )
    leans = votes.leans(at(1))
    assert leans["billing"].change > 0 > leans["dates"].change


def test_what_is_undone_is_as_if_it_was_never_said() -> None:
    votes = counted(vote(1), vote(2, user="bob"))
    alone = change(counted(vote(1)))
    votes.take([replace(vote(2, user="bob"), undone_at=NOW, seq=3)], [at(1)])
    assert change(votes) == alone
    votes.take([replace(vote(1), undone_at=NOW, seq=4)], [at(1)])
    assert votes.leans(at(1)) == {}
    assert len(votes) == 0


def test_undoing_what_was_never_heard_changes_nothing() -> None:
    assert counted(replace(vote(), undone_at=NOW)).leans(at(1)) == {}


def test_nothing_said_is_no_lean() -> None:
    assert Votes().leans(at(1)) == {}
    assert isinstance(counted(vote()).leans(at(1))["billing"], Lean)


# In the router -----------------------------------------------------------------------------------

QUERY = "card refund for hotels"


@pytest.fixture
def router(tmp_path: Path) -> Router:
    return Router(ENCODER, cache_dir=tmp_path)


async def test_a_vote_moves_its_agent_and_is_named_in_the_reason(router: Router) -> None:
    snapshot = of(BILLING, DELIVERY, TRAVEL)
    before = shares(await router.ask(QUERY, snapshot))
    router.votes = [vote(agent="travel", query="refund for hotels with card")]
    after = await router.ask(QUERY, snapshot)
    assert shares(after)["travel"] > before["travel"]
    decision = choose(after, judge_scope(after, 0.0), RouterSettings())
    reasons = {one.agent: one.reason for one in decision.candidates}
    assert "recommended by 1 user for queries like this (+" in reasons["travel"]
    assert "user" not in reasons["billing"]


async def test_a_vote_does_not_touch_other_queries(router: Router) -> None:
    snapshot = of(BILLING, DELIVERY, TRAVEL)
    before = await router.ask("track my order", snapshot)
    router.votes = [vote(agent="travel", query=QUERY, score=-1)]
    assert await router.ask("track my order", snapshot) == before
    (told,) = [
        score
        for score in (await router.ask(QUERY, snapshot)).parts[0].scores
        if score.agent == "travel"
    ]
    assert told.lean.startswith("advised against by 1 user")


async def test_a_vote_that_was_undone_counts_no_more(router: Router) -> None:
    snapshot = of(BILLING, DELIVERY, TRAVEL)
    before = await router.ask(QUERY, snapshot)
    router.votes = [vote(agent="travel", query=QUERY)]
    assert await router.ask(QUERY, snapshot) != before
    router.votes = [replace(vote(agent="travel", query=QUERY), undone_at=NOW, seq=2)]
    assert await router.ask(QUERY, snapshot) == before


async def test_votes_for_an_agent_that_is_gone_are_passed_over(router: Router) -> None:
    router.votes = [vote(agent="travel", query=QUERY)]
    retrieval = await router.ask(QUERY, of(BILLING, DELIVERY))
    assert set(shares(retrieval)) == {"billing", "delivery"}


class SlowEmbedding(RecordingEmbedding):
    """Waits once, where a text is embedded alone."""

    def __init__(self) -> None:
        super().__init__(ENCODER)
        self.waiting = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, texts: Sequence[str]) -> Vectors:
        if list(texts) == [QUERY] and not self.waiting.is_set():
            self.waiting.set()
            await self.go_on.wait()
        return await super().__call__(texts)


async def test_a_query_that_heard_a_vote_late_does_not_bring_back_what_was_undone(
    tmp_path: Path,
) -> None:
    stored = [vote(agent="travel", query=QUERY)]
    embedding = SlowEmbedding()

    async def ballots(seq: int) -> list[Vote]:
        return [one for one in stored if one.seq > seq]

    router = RetrievalRouter(ENCODER, embedding, ballots, RouterSettings(), tmp_path)
    snapshot = of(BILLING, DELIVERY, TRAVEL)
    await router.settle(snapshot)
    slow = asyncio.create_task(router.retrieve(QUERY, snapshot))
    await embedding.waiting.wait()
    stored[:] = [replace(stored[0], undone_at=NOW, seq=2)]
    await router.retrieve(QUERY, snapshot)
    embedding.go_on.set()
    for retrieval in (await slow, await router.retrieve(QUERY, snapshot)):
        assert not any(score.lean for score in retrieval.parts[0].scores)
