from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from routing import (
    BILLING,
    DELIVERY,
    Router,
    WordEncoder,
    changed,
    first,
    of,
    registered,
    shares,
)

from callboard.agents.spec import Agent
from callboard.config import RouterSettings
from callboard.router.choice import choose
from callboard.router.guard import judge_scope
from callboard.router.retrieval import team as module
from callboard.router.retrieval.learning import learn
from callboard.values import Decision

GARDEN = Agent(
    name="garden",
    description="Plants, flowers and garden tools.",
    examples=("my roses are dying", "when are tulips planted?"),
)
ROSES = "my roses are dying, what now"


@pytest.fixture
def router(tmp_path: Path) -> Router:
    return Router(WordEncoder(), cache_dir=tmp_path)


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let no board learn until the event is set."""
    may_go_on = threading.Event()

    def wait(*given: Any) -> Any:
        assert may_go_on.wait(20)
        return learn(*given)

    monkeypatch.setattr(module, "learn", wait)
    return may_go_on


async def decide(router: Router, query: str, *agents: Agent) -> Decision:
    retrieval = await router.ask(query, of(*agents))
    return choose(retrieval, judge_scope(retrieval, 0.5), router.settings)


async def test_a_new_agent_can_be_called_before_anything_was_learned_of_it(
    router: Router, blocked: threading.Event
) -> None:
    blocked.set()
    snapshot = of(BILLING, DELIVERY)
    assert (await router.ask(ROSES, snapshot)).parts[0].in_scope < 0.5
    blocked.clear()
    now = snapshot.replaced(2, {"garden": registered(GARDEN)})
    retrieval = await asyncio.wait_for(router.retrieval.retrieve(ROSES, now), 10)
    assert first(retrieval) == "garden"
    assert retrieval.parts[0].in_scope >= 0.5
    blocked.set()
    learned = await router.ask(ROSES, now)
    assert first(learned) == "garden"
    assert learned != retrieval


async def test_a_removed_agent_is_gone_before_anything_was_learned_of_it(
    router: Router, blocked: threading.Event
) -> None:
    blocked.set()
    snapshot = of(BILLING, DELIVERY, GARDEN)
    assert first(await router.ask(ROSES, snapshot)) == "garden"
    blocked.clear()
    retrieval = await router.retrieval.retrieve(ROSES, snapshot.replaced(2, {"garden": None}))
    assert set(shares(retrieval)) == {"billing", "delivery"}
    assert retrieval.parts[0].in_scope < 0.5
    blocked.set()


async def test_the_first_queries_of_a_board_wait_for_no_learning(
    router: Router, blocked: threading.Event
) -> None:
    retrieval = await asyncio.wait_for(
        router.retrieval.retrieve("track my order", of(BILLING, DELIVERY)), 10
    )
    assert first(retrieval) == "delivery"
    blocked.set()
    await router.retrieval.close()


async def test_a_changed_agent_is_found_by_what_it_says_now(router: Router) -> None:
    snapshot = of(BILLING, DELIVERY)
    await router.ask(ROSES, snapshot)
    florist = changed(GARDEN, name="billing")
    retrieval = await router.ask(ROSES, snapshot.replaced(2, {"billing": registered(florist)}))
    assert first(retrieval) == "billing"
    assert retrieval.parts[0].scores[0].nearest == GARDEN.examples[0]


async def test_a_query_that_came_with_an_older_registry_turns_nothing_back(router: Router) -> None:
    old = of(BILLING, DELIVERY)
    new = old.replaced(2, {"garden": registered(GARDEN)})
    await router.ask(ROSES, new)
    assert "garden" not in shares(await router.retrieval.retrieve(ROSES, old))
    assert first(await router.retrieval.retrieve(ROSES, new)) == "garden"


async def test_changes_that_come_while_learning_are_learned_too(
    router: Router, blocked: threading.Event
) -> None:
    snapshot = of(BILLING, DELIVERY)
    await router.retrieval.retrieve(ROSES, snapshot)
    now = snapshot.replaced(2, {"garden": registered(GARDEN)})
    await router.retrieval.retrieve(ROSES, now)
    blocked.set()
    late = await router.ask(ROSES, now)
    fresh = await Router(WordEncoder(), cache_dir=Path()).ask(ROSES, of(BILLING, DELIVERY, GARDEN))
    assert shares(late) == pytest.approx(shares(fresh), abs=1e-3)


# Refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["blocked_topics", "out_of_scope"])
async def test_what_the_board_refuses_calls_nobody_and_is_named(
    setting: str, tmp_path: Path
) -> None:
    refusing = Router(
        WordEncoder(), cache_dir=tmp_path, **{setting: ("gambling and lotteries", "tattoos")}
    )
    decision = await decide(refusing, "is gambling in lotteries legal", BILLING, DELIVERY)
    assert decision.agents == ()
    assert not decision.in_scope
    assert "'gambling and lotteries', which this board refuses" in decision.reason
    assert (await decide(refusing, "track my order", BILLING, DELIVERY)).agents == ("delivery",)


async def test_a_query_nearer_to_an_agent_than_to_a_refused_topic_is_answered(
    tmp_path: Path,
) -> None:
    refusing = Router(WordEncoder(), cache_dir=tmp_path, blocked_topics=("order drugs",))
    assert (await decide(refusing, "track my order", BILLING, DELIVERY)).agents == ("delivery",)


async def test_a_refused_topic_stays_refused_whatever_the_threshold(tmp_path: Path) -> None:
    refusing = Router(WordEncoder(), cache_dir=tmp_path, blocked_topics=("gambling lotteries",))
    retrieval = await refusing.ask("gambling in lotteries", of(BILLING, DELIVERY))
    verdict = judge_scope(retrieval, 0.0)
    assert not verdict.in_scope
    decision = choose(retrieval, verdict, RouterSettings())
    assert decision.agents == ()
    assert "'gambling lotteries'" in decision.reason


async def test_without_anyone_to_call_nobody_is_called_whatever_the_threshold(
    router: Router,
) -> None:
    retrieval = await router.ask("anything", of())
    decision = choose(retrieval, judge_scope(retrieval, 0.0), RouterSettings())
    assert (decision.agents, decision.in_scope) == ((), False)
    assert "No agent" in decision.reason
