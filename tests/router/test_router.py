from __future__ import annotations

from pathlib import Path

import pytest
from routing import BILLING, DELIVERY, TRAVEL, WordEncoder, of
from routing import Router as RetrievalOnly

from callboard.model_settings import ModelSettings
from callboard.models.gateway import Gateway
from callboard.models.prices import PriceBook
from callboard.models.scripted import ScriptedModel
from callboard.router.router import Question, Router
from callboard.values import Decision

EAGER = '{"reason": "`billing` fits.", "agents": ["billing"]}'
GAMBLING = "is gambling in lotteries legal"


async def decide(tmp_path: Path, journal_to, query: str, **settings: object) -> Decision:
    """Decide with a model that would call the billing agent for anything."""
    model = ScriptedModel(lambda request: EAGER)
    gateway = Gateway(
        {"main": ModelSettings(model="openai/scripted", retries=0, reasoning=True)},
        prices=PriceBook(),
        cache_dir=tmp_path,
        replacements={"main": model},
    )
    retrieval = RetrievalOnly(WordEncoder(), cache_dir=tmp_path, **settings)
    router = Router(retrieval.retrieval, retrieval.settings, gateway, tenant="t")
    snapshot = of(BILLING, DELIVERY, TRAVEL)
    await router.settle(snapshot)
    return await router.route(Question(query=query), snapshot, journal_to(model))


@pytest.mark.parametrize("setting", ["blocked_topics", "out_of_scope"])
async def test_no_model_brings_in_what_the_board_refuses(setting, tmp_path, journal_to) -> None:
    given = {setting: ("gambling lotteries",), "policy": "reasoning"}
    decision = await decide(tmp_path, journal_to, GAMBLING, **given)
    assert (decision.agents, decision.in_scope) == ((), False)
    assert "'gambling lotteries', which this board refuses" in decision.reason
    allowed = await decide(tmp_path, journal_to, GAMBLING, policy="reasoning")
    assert allowed.agents == ("billing",)


async def test_the_fallback_agent_answers_what_is_out_of_scope_but_no_blocked_topic(
    tmp_path, journal_to
) -> None:
    topic = ("gambling lotteries",)
    given = {"policy": "retrieval", "fallback_agent": "travel"}
    blocked = await decide(tmp_path, journal_to, GAMBLING, blocked_topics=topic, **given)
    assert blocked.agents == ()
    outside = await decide(tmp_path, journal_to, GAMBLING, out_of_scope=topic, **given)
    assert (outside.agents, outside.method) == (("travel",), "fallback")


async def test_a_refused_wish_beside_another_is_left_and_told(tmp_path, journal_to) -> None:
    query = f"When will my parcel arrive? And {GAMBLING}?"
    given = {"policy": "retrieval", "blocked_topics": ("gambling lotteries",)}
    decision = await decide(tmp_path, journal_to, query, **given)
    assert decision.agents == ("delivery",)
    assert decision.part_for("delivery") == "When will my parcel arrive?"
    assert [part.agents for part in decision.parts] == [("delivery",), ()]


async def test_a_threshold_of_nothing_lets_everything_in_where_there_is_anyone(
    tmp_path, journal_to
) -> None:
    given = {"policy": "retrieval", "guard_threshold": 0.0}
    assert (await decide(tmp_path, journal_to, "purple quasars", **given)).agents
