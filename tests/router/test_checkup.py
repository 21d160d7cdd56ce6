from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from routing import BILLING, DELIVERY, TRAVEL, Router, WordEncoder, changed, knowledge, of

from callboard.agents.spec import Agent
from callboard.router.retrieval.calibration import Trial
from callboard.router.retrieval.checkup import ALIKE, check_up
from callboard.values import AgentCheck, Checkup

ENCODER = WordEncoder()
TEAM = (BILLING, DELIVERY, TRAVEL)


def trial(agent: str, query: str, *names: str) -> Trial:
    """Return a trial in which agents came in this order."""
    scores = np.arange(len(names), 0, -1).astype(np.float32)
    return Trial(agent, query, names, scores, 0.0)


def checked(
    *trials: Trial, firsts: tuple[str, ...] = (), agents: tuple[Agent, ...] = TEAM
) -> Checkup:
    return check_up(knowledge(ENCODER, *agents), trials, firsts)


def of_agent(checkup: Checkup, name: str) -> AgentCheck:
    return next(one for one in checkup.agents if one.agent == name)


def test_examples_that_go_to_another_are_told_with_both_probabilities() -> None:
    checkup = checked(
        trial("billing", "money back", "billing", "delivery"),
        trial("billing", "refund the parcel", "delivery", "billing"),
    )
    (found,) = checkup.confusions
    assert (found.agent, found.other, found.query) == ("billing", "delivery", "refund the parcel")
    assert found.probability == pytest.approx(1 / (1 + np.e), abs=1e-4)
    assert found.other_probability == pytest.approx(np.e / (1 + np.e), abs=1e-4)


def test_each_agent_is_told_what_it_finds_loses_and_attracts() -> None:
    checkup = checked(
        trial("billing", "one", "billing", "delivery"),
        trial("billing", "two", "delivery", "billing"),
        trial("travel", "three", "delivery"),
    )
    billing, delivery, travel = (of_agent(checkup, agent.name) for agent in TEAM)
    assert (billing.examples, billing.tried, billing.first, billing.attracts) == (3, 2, 1, 0)
    assert (delivery.tried, delivery.first, delivery.attracts) == (0, 0, 2)
    assert (travel.tried, travel.first) == (1, 0)
    assert next(one for one in checkup.confusions if one.agent == "travel").probability == 0


def many(count: int) -> tuple[Agent, ...]:
    return tuple(
        Agent(name=f"agent{number}", description=f"Everything about thing{number} and more.")
        for number in range(count)
    )


def test_an_agent_that_everyday_queries_go_to_is_a_hub() -> None:
    others = tuple(f"agent{number % 19 + 1}" for number in range(70))
    checkup = checked(firsts=("agent0",) * 30 + others, agents=many(20))
    assert of_agent(checkup, "agent0").hub_share == pytest.approx(0.3)
    assert all(one.hub_share == 0 for one in checkup.agents if one.agent != "agent0")


def test_among_many_agents_a_few_everyday_queries_make_no_hub() -> None:
    firsts = ("agent0",) * 4 + tuple(f"agent{number}" for number in range(1, 97))
    checkup = checked(firsts=firsts, agents=many(100))
    assert not any(one.hub_share for one in checkup.agents)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_among_few_agents_somebody_has_to_be_first(count: int) -> None:
    firsts = ("agent0",) * 60 + ("agent1", "agent2")[: count - 1] * 20
    checkup = checked(firsts=firsts[:100], agents=many(count))
    assert not any(one.hub_share for one in checkup.agents)


def test_of_two_agents_one_that_takes_nearly_everything_is_a_hub() -> None:
    checkup = checked(firsts=("agent0",) * 95 + ("agent1",) * 5, agents=many(2))
    assert of_agent(checkup, "agent0").hub_share == pytest.approx(0.95)


def test_agents_that_say_the_same_are_told_once_the_most_alike_first() -> None:
    twin = changed(TRAVEL, name="trips")
    near = changed(TRAVEL, name="journeys", description=TRAVEL.description + " And trams.")
    checkup = checked(agents=(*TEAM, twin, near))
    pairs = {frozenset(pair[:2]) for pair in checkup.alike}
    assert {"travel", "trips"} in pairs
    assert len(pairs) == len(checkup.alike)
    cosines = [cosine for *_, cosine in checkup.alike]
    assert cosines == sorted(cosines, reverse=True)
    assert min(cosines) >= ALIKE
    assert not {"billing", "delivery"} & {name for pair in pairs for name in pair}


def test_nobody_is_checked_without_complaint() -> None:
    assert checked(agents=()) == Checkup(agents=(), confusions=(), alike=())


async def test_a_team_is_checked_by_its_own_examples(tmp_path: Path) -> None:
    thief = changed(TRAVEL, examples=("send me the invoice of the hotel", "a train to Oslo"))
    router = Router(ENCODER, cache_dir=tmp_path)
    checkup = await router.retrieval.check_up(of(BILLING, DELIVERY, thief))
    assert [one.agent for one in checkup.agents] == ["billing", "delivery", "travel"]
    assert [one.tried for one in checkup.agents] == [3, 3, 2]
    assert ("travel", "billing") in [(one.agent, one.other) for one in checkup.confusions]
    await router.retrieval.close()
