from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from routing import (
    BILLING,
    CACHE,
    DELIVERY,
    Router,
    WordEncoder,
    first,
    of,
    registered,
    shares,
)

from callboard.agents.spec import Agent
from callboard.config import RouterSettings
from callboard.router.choice import choose
from callboard.router.guard import judge_scope
from callboard.router.retrieval.retriever import DIGITS
from callboard.router.retrieval.texts import background, phrases, split_description
from callboard.search.encoder import Encoder
from callboard.search.encoders import load_encoder
from callboard.values import Exchange


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("minilm", CACHE)


async def test_examples_and_descriptions_are_found(encoder: Encoder) -> None:
    router, snapshot = Router(encoder), of(BILLING, DELIVERY)
    assert first(await router.ask("you took the money from my card two times", snapshot)) == (
        "billing"
    )
    assert first(await router.ask("where is my package", snapshot)) == "delivery"


async def test_probabilities_add_up_and_carry_their_evidence(encoder: Encoder) -> None:
    (part,) = (await Router(encoder).ask("where is my package", of(BILLING, DELIVERY))).parts
    assert sum(score.probability for score in part.scores) == pytest.approx(1, abs=0.01)
    assert part.scores[0].kind == "example"
    assert part.scores[0].nearest in DELIVERY.examples


async def test_what_a_description_denies_does_not_attract(encoder: Encoder) -> None:
    assert split_description(BILLING.description) == (
        "Invoices, charges and refunds.",
        "It does not know delivery times.",
    )
    assert phrases("It does not know delivery times.") == ("delivery times",)
    (part,) = (await Router(encoder).ask("what are your delivery times", of(BILLING))).parts
    assert part.in_scope < 0.5


async def test_counterexamples_keep_away_what_looks_alike(encoder: Encoder) -> None:
    query = "my bank charged me twice for the credit card"
    taught = BILLING.model_copy(
        update={"counterexamples": ("the bank charged my account twice", "bank card fees")}
    )
    (before,) = (await Router(encoder).ask(query, of(BILLING))).parts
    (after,) = (await Router(encoder).ask(query, of(taught))).parts
    assert after.in_scope < before.in_scope


async def test_an_excluded_agent_is_as_if_it_did_not_exist(encoder: Encoder) -> None:
    router, snapshot = Router(encoder), of(BILLING, DELIVERY)
    (part,) = (await router.ask("where is my package", snapshot, exclude=["delivery"])).parts
    assert [score.agent for score in part.scores] == ["billing"]
    (nobody,) = (
        await router.ask("where is my package", snapshot, exclude=["delivery", "billing"])
    ).parts
    assert nobody.scores == ()
    assert nobody.in_scope == 0


async def test_a_follow_up_is_read_with_the_query_before(encoder: Encoder) -> None:
    router, snapshot = Router(encoder), of(BILLING, DELIVERY)
    alone = await router.ask("and to Norway?", snapshot)
    before = Exchange(
        run_id="1",
        query="how long does delivery to Spain take?",
        answer="Three days.",
        agents=("delivery",),
    )
    told = await router.ask("and to Norway?", snapshot, history=[before])
    assert alone.parts[0].in_scope < 0.5 <= told.parts[0].in_scope
    assert first(told) == "delivery"


async def test_only_new_agents_are_embedded(encoder: Encoder) -> None:
    router, snapshot = Router(encoder), of(BILLING)
    await router.ask("q one", snapshot)
    await router.ask("q two", snapshot)
    assert router.embedded.count("billing") == 1
    await router.ask("q three", snapshot.replaced(2, {"delivery": registered(DELIVERY)}))
    assert router.embedded.count("billing") == 1
    assert router.embedded.count("delivery") == 1


async def test_without_agents_nothing_is_in_scope(encoder: Encoder) -> None:
    (part,) = (await Router(encoder).ask("anything", of())).parts
    assert part.in_scope == 0


async def test_the_background_is_out_of_scope(encoder: Encoder) -> None:
    router, snapshot = Router(encoder), of(BILLING, DELIVERY)
    wrong = 0
    for query in background()[::20]:
        (part, *_) = (await router.ask(query, snapshot)).parts
        wrong += part.in_scope >= 0.5
    assert wrong <= len(background()[::20]) * 0.1


# How many are called -----------------------------------------------------------------------------

CLOSE = tuple(
    Agent(
        name=name,
        description=f"Questions about {name} cards and accounts of the bank.",
        examples=tuple(f"{verb} my {kind}card" for verb in verbs for kind in ("", "bank ")),
    )
    for name, verbs in (
        ("credit", ("block", "open", "order", "pay with", "see")),
        ("debit", ("block", "close", "order", "pay by", "lose")),
        ("savings", ("block", "open", "cancel", "pay into", "find")),
    )
)
"""Agents that their own examples hardly tell apart."""


@pytest.fixture
def make_router(tmp_path: Path) -> Callable[..., Router]:
    return lambda **settings: Router(WordEncoder(), cache_dir=tmp_path, **settings)


async def test_more_coverage_lets_less_probable_agents_in(make_router) -> None:
    least = {}
    for coverage in (0.5, 0.7, 0.9):
        retrieval = await make_router(coverage=coverage).ask("block my card", of(*CLOSE))
        assert retrieval.coverage == coverage
        least[coverage] = retrieval.least
    assert least[0.9] < least[0.7] < least[0.5]


async def test_without_enough_examples_nothing_is_promised_and_the_decision_says_so(
    make_router,
) -> None:
    router = make_router(coverage=0.95)
    retrieval = await router.ask("track my order", of(BILLING, DELIVERY))
    assert retrieval.coverage is None
    assert retrieval.least == router.settings.min_probability
    decision = choose(retrieval, judge_scope(retrieval, 0.5), router.settings)
    assert decision.agents == ("delivery",)
    assert "The coverage of 0.95 can't be promised" in decision.reason


async def test_who_stays_out_because_of_the_cap_is_told(make_router) -> None:
    router = make_router(coverage=0.9, max_agents=1)
    retrieval = await router.ask("block my card", of(*CLOSE))
    decision = choose(retrieval, judge_scope(retrieval, 0.0), router.settings)
    assert len(decision.agents) == 1
    assert decision.left_out
    assert set(decision.left_out).isdisjoint(decision.agents)
    assert f"At most 1 are called, so {', '.join(decision.left_out)} stayed out" in decision.reason
    roomy = choose(retrieval, judge_scope(retrieval, 0.0), RouterSettings(max_agents=3))
    assert set(roomy.agents) == {*decision.agents, *decision.left_out}
    assert roomy.left_out == ()


async def test_the_least_probability_has_no_more_digits_than_those_held_against_it(
    make_router,
) -> None:
    retrieval = await make_router(coverage=0.9).ask("block my card", of(*CLOSE))
    for number in (retrieval.least, *shares(retrieval).values()):
        assert number == round(number, DIGITS)
