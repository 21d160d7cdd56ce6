from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing import BILLING, DELIVERY, TRAVEL, WordEncoder, asked, changed, knowledge

from callboard.agents.spec import Agent
from callboard.router.retrieval import index as module
from callboard.router.retrieval.heads import Heads
from callboard.router.retrieval.index import COMPARED, AgentIndex, Match
from callboard.router.retrieval.interaction import Interaction

ENCODER = WordEncoder()
EVERYDAY = ("tell me a joke", "how is the weather today", "play some music")
INTERACTION = Interaction(ENCODER.read(EVERYDAY))
QUERY = "track my order"

THINGS = [f"{kind}{number}" for number in range(20) for kind in ("tram", "bank", "garden")]


def of(*agents: Agent) -> AgentIndex:
    index = AgentIndex(ENCODER.encode(EVERYDAY).mean(axis=0), INTERACTION)
    index.put(knowledge(ENCODER, *agents, interaction=INTERACTION))
    return index


def names(matches: Sequence[Match]) -> list[str]:
    return [match.agent for match in matches]


def numbered(count: int) -> list[Agent]:
    """Return agents of which each has a word of its own."""
    return [
        Agent(name=f"agent{number}", description=f"Everything about {THINGS[number]} and its care.")
        for number in range(count)
    ]


def test_the_best_agent_comes_first_with_its_evidence() -> None:
    index = of(BILLING, DELIVERY, TRAVEL)
    best, *rest = index.compare(asked(ENCODER, QUERY))
    assert best.agent == "delivery"
    assert {match.agent for match in rest} == {"billing", "travel"}
    assert all(one.relevance <= best.relevance for one in rest)
    found = best.evidence
    assert (found.kind, found.text, found.cosine) == ("example", QUERY, pytest.approx(1))


def test_an_agent_put_again_takes_the_place_of_the_former() -> None:
    index = of(BILLING, DELIVERY, TRAVEL)
    moved = changed(BILLING, description="Garden plants and flowers.", examples=())
    index.put(knowledge(ENCODER, moved, interaction=INTERACTION))
    assert len(index) == 3
    (best, *_) = index.compare(asked(ENCODER, "flowers for the garden"))
    assert best.agent == "billing"
    assert best.evidence.text == "Garden plants"


def test_a_removed_agent_is_gone_and_an_unknown_one_passed_over() -> None:
    index = of(BILLING, DELIVERY)
    index.remove(["delivery", "nobody"])
    assert names(index.compare(asked(ENCODER, QUERY))) == ["billing"]
    index.remove(["billing"])
    assert index.compare(asked(ENCODER, QUERY)) == []
    assert index.known == {}


def test_excluded_agents_are_not_compared() -> None:
    index = of(BILLING, DELIVERY, TRAVEL)
    found = index.compare(asked(ENCODER, QUERY), exclude=["delivery", "nobody"])
    assert set(names(found)) == {"billing", "travel"}


def test_only_the_nearest_are_compared_closely_and_those_that_are_wished_for() -> None:
    agents = numbered(COMPARED + 10)
    index = of(*agents)
    query = asked(ENCODER, "tram0 and bank0")
    found = names(index.compare(query))
    assert len(found) == len(set(found)) == COMPARED
    assert set(found[:2]) == {"agent0", "agent1"}
    missing = next(agent.name for agent in agents if agent.name not in found)
    wished = names(index.compare(query, also=[missing, found[0], "nobody"]))
    assert set(wished) == {*found, missing}


def test_an_agent_that_the_heads_do_not_know_is_compared_all_the_same() -> None:
    index = of(BILLING, DELIVERY)
    heads = Heads.train(index.known, EVERYDAY)
    garden = Agent(
        name="garden", description="Plants and flowers.", examples=("my roses are dying",)
    )
    index.put(knowledge(ENCODER, garden, interaction=INTERACTION))
    found = index.compare(asked(ENCODER, "the roses are dying"), heads=heads)
    assert found[0].agent == "garden"
    assert all(np.isfinite(match.relevance) for match in found)


def test_heads_that_learned_an_agent_as_it_was_do_not_judge_it_as_it_is() -> None:
    index = of(BILLING, DELIVERY)
    heads = Heads.train(index.known, EVERYDAY)
    query = asked(ENCODER, "Why was I charged twice?")
    assert index.compare(query, heads=heads)[0].agent == "billing"
    swapped = [changed(BILLING, name="delivery"), changed(DELIVERY, name="billing")]
    index.put(knowledge(ENCODER, *swapped, interaction=INTERACTION))
    assert index.compare(query, heads=heads)[0].agent == "delivery"


def test_agents_that_were_not_read_by_token_are_compared_by_the_rest() -> None:
    index = of(BILLING)
    index.put(knowledge(ENCODER, DELIVERY, TRAVEL))
    found = index.compare(asked(ENCODER, "trains and hotels"))
    assert found[0].agent == "travel"
    assert all(np.isfinite(match.relevance) for match in found)


def test_what_an_agent_denies_counts_against_it() -> None:
    plain = changed(BILLING, description="Invoices, charges and refunds.")
    query = asked(ENCODER, "delivery times")
    (open_,), (denies,) = (of(agent).compare(query) for agent in (plain, BILLING))
    assert denies.relevance < open_.relevance - 5


POOL = [*numbered(5), BILLING, DELIVERY, TRAVEL]


@pytest.mark.parametrize("agents", [3, 40])
def test_queries_compared_at_once_find_what_each_finds_alone(agents: int) -> None:
    index = of(BILLING, DELIVERY, TRAVEL, *numbered(agents))
    heads = Heads.train(index.known, EVERYDAY)
    queries = [asked(ENCODER, text) for text in (QUERY, "a refund please", "zzz", "bank3 tram3")]
    also = [(), ["travel"], [], ["nobody"]]
    found = index.compare_all(queries, heads=heads, exclude=["delivery"], only=None, also=also)
    for query, names_, matches in zip(queries, also, found, strict=True):
        alone = index.compare(query, heads=heads, exclude=["delivery"], also=names_)
        assert names(matches) == names(alone)
        assert [one.relevance for one in matches] == pytest.approx(
            [one.relevance for one in alone], abs=1e-4
        )
        assert [one.evidence.text for one in matches] == [one.evidence.text for one in alone]


moves = st.lists(
    st.tuples(st.sampled_from(["put", "change", "remove"]), st.sampled_from(range(len(POOL)))),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(moves)
def test_after_any_comings_and_goings_agents_compare_as_in_a_new_index(
    done: list[tuple[str, int]],
) -> None:
    index, there = of(), dict[str, Agent]()
    for move, number in done:
        agent = POOL[number]
        if move == "remove":
            index.remove([agent.name])
            there.pop(agent.name, None)
            continue
        if move == "change":
            agent = changed(agent, examples=("lost parcels of trams",))
        index.put(knowledge(ENCODER, agent, interaction=INTERACTION))
        there[agent.name] = agent
    query = asked(ENCODER, "track the parcels of bank0")
    found = {match.agent: match.relevance for match in index.compare(query)}
    fresh = {match.agent: match.relevance for match in of(*there.values()).compare(query)}
    assert found == pytest.approx(fresh, abs=1e-3)


def test_a_large_catalogue_finds_the_same_first_agent_as_a_small_one(monkeypatch) -> None:
    agents = [*numbered(50), BILLING, DELIVERY, TRAVEL]
    exact = of(*agents)
    monkeypatch.setattr(module, "LARGE", 20)
    monkeypatch.setattr(module, "_NEAR", 30)
    monkeypatch.setattr(module, "_WORDED", 5)
    large = of(*agents)
    assert large.due
    large.rebuild()
    assert not large.due
    for query in ("track my order", "charged twice", "train tickets", "care of garden7", "bank3"):
        asking = asked(ENCODER, query)
        assert large.compare(asking)[0].agent == exact.compare(asking)[0].agent


def test_a_large_catalogue_keeps_removed_and_excluded_agents_out(monkeypatch) -> None:
    monkeypatch.setattr(module, "LARGE", 20)
    monkeypatch.setattr(module, "_NEAR", 30)
    index = of(*numbered(50), BILLING, DELIVERY)
    index.rebuild()
    query = asked(ENCODER, QUERY)
    index.remove(["delivery"])
    assert "delivery" not in names(index.compare(query))
    index.put(knowledge(ENCODER, DELIVERY, interaction=INTERACTION))
    assert names(index.compare(query))[0] == "delivery"
    assert "delivery" not in names(index.compare(query, exclude=["delivery"]))
    wished = names(index.compare(asked(ENCODER, "zzz"), also=["billing"]))
    assert "billing" in wished


def test_agents_may_come_and_go_while_others_compare() -> None:
    index = of(BILLING, DELIVERY, *numbered(20))
    coming = knowledge(ENCODER, DELIVERY, *numbered(40), interaction=INTERACTION)
    query, done = asked(ENCODER, QUERY), threading.Event()

    def change() -> None:
        for _ in range(30):
            index.put(coming)
            index.remove([name for name in coming if name != "delivery"])
        done.set()

    def compare() -> int:
        count = 0
        while not done.is_set() or not count:
            found = index.compare(query)
            assert found[0].agent == "delivery"
            assert found[0].evidence.text == QUERY
            assert all(match.evidence.text for match in found)
            count += 1
        return count

    with ThreadPoolExecutor(3) as pool:
        comparing = [pool.submit(compare) for _ in range(2)]
        pool.submit(change).result()
        assert sum(one.result() for one in comparing) >= 2


def test_what_is_known_of_a_match_outlives_the_agent() -> None:
    index, query = of(BILLING, DELIVERY), asked(ENCODER, QUERY)
    (best, *_) = index.compare(query)
    index.remove(["delivery"])
    assert best.evidence.text == QUERY
