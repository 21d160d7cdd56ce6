"""Boards scoped to a tenant, and to some of its agents."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pipeline_boards import TWO, with_agents

from callboard import Agent, Board, InvalidInput, ScriptedModel, UnknownName
from callboard.pipelines.routers import Routers


def weather(name: str = "weather") -> Agent:
    return Agent(
        name=name,
        description="Tells the weather, rain and temperature of a place.",
        examples=("Will it rain in Oslo?",),
    )


def test_a_tenant_has_its_own_agents(board: Board) -> None:
    acme = board.scoped("acme")
    assert acme.agents() == ()
    acme.register(weather())
    assert [one.agent.name for one in acme.agents()] == ["weather"]
    assert [one.agent.name for one in board.agents()] == ["calculator", "dates"]
    assert acme.route_sync("Will it rain in Bergen?").agents == ("weather",)
    assert {one.agent for one in acme.route_sync(TWO).candidates} == {"weather"}
    assert set(board.route_sync(TWO).agents) == {"calculator", "dates"}


def test_tenants_see_nothing_of_each_others_runs_memory_and_spending(
    make_board: Callable[..., Board],
) -> None:
    board = make_board(ScriptedModel(lambda request: "It rains."))
    acme, other = board.scoped("acme"), board.scoped("other")
    for tenant in (acme, other):
        tenant.register(weather())
    run = acme.run_sync("Will it rain in Bergen?", session="s")
    assert run.scope.tenant == "acme"
    assert run.answer == "It rains."
    acme.memory.add_sync("The umbrella is in the hall.")
    assert acme.get_sync(run.id).answer == "It rains."
    with pytest.raises(UnknownName):
        other.get_sync(run.id)
    with pytest.raises(UnknownName):
        other.cancel_sync(run.id)
    with pytest.raises(UnknownName):
        other.feedback_sync(run.id, 1)
    with pytest.raises(UnknownName):
        list(other.events_sync(run.id))
    assert other.list_sync() == other.memory.list_sync() == ()
    assert other.memory.search_sync("umbrella") == ()
    assert other.records.spend_sync(user=None) == ()
    assert other.records.runs_sync(user=None).total == 0
    assert other.sessions.list_sync() == ()
    assert acme.records.spend_sync(user=None) != ()
    (found,) = acme.memory.search_sync("umbrella", limit=1)
    assert found.text == "user: The umbrella is in the hall."


def test_feedback_of_one_tenant_moves_no_other(make_board: Callable[..., Board]) -> None:
    board = make_board()
    tenants = board.scoped("acme"), board.scoped("other")
    for tenant in tenants:
        tenant.register_all([weather(), weather("climate")])
    query = "Will it snow tomorrow?"
    before = tenants[1].route_sync(query).candidates
    run = tenants[0].run_sync(query)
    tenants[0].feedback_sync(run.id, -1, agents=["weather"])
    tenants[0].feedback_sync(run.id, 1, agents=["climate"])
    assert tenants[0].route_sync(query).candidates != before
    assert tenants[1].route_sync(query).candidates == before


def test_only_the_agents_that_may_be_used_are_called_and_told_of(board: Board) -> None:
    some = board.scoped("local", agents=["dates", "unheard-of"])
    assert [one.agent.name for one in some.agents()] == ["dates"]
    decision = some.route_sync(TWO)
    assert decision.agents == ("dates",)
    assert {one.agent for one in decision.candidates} == {"dates"}
    answer = some.run_sync("what is the capital of Peru?").answer
    assert answer is not None
    assert "calculator" not in answer
    with pytest.raises(UnknownName, match="calculator") as error:
        some.run_sync("what is 15% of 240?", agents=["calculator"])
    assert "did you mean" not in str(error.value)
    run = some.get_sync(some.replay_sync(some.run_sync(TWO).id))
    while run.status not in ("done", "failed"):
        run = some.get_sync(run.id)
    assert run.decision is not None
    assert run.decision.agents == ("dates",)


def test_no_agent_at_all_may_be_used(board: Board) -> None:
    nothing = board.scoped("local", agents=())
    assert nothing.agents() == ()
    assert nothing.route_sync(TWO).agents == ()


def test_a_fallback_that_may_not_be_used_does_not_answer(
    make_board: Callable[..., Board],
) -> None:
    board = with_agents(make_board(router={"fallback_agent": "calculator"}))
    query = "sing me a song about the sea"
    assert board.route_sync(query).agents == ("calculator",)
    assert board.scoped("local", agents=["dates"]).route_sync(query).agents == ()


def test_what_is_scoped_closes_nothing_and_is_closed_with_its_board(board: Board) -> None:
    acme = board.scoped("acme")
    acme.close()
    assert board.route_sync("what is 15% of 240?").agents == ("calculator",)
    board.close()
    with pytest.raises(InvalidInput, match="closed"):
        acme.agents()


def test_a_tenant_has_a_name(board: Board) -> None:
    with pytest.raises(InvalidInput, match="tenant is empty"):
        board.scoped(" ")


async def test_the_routers_of_the_last_tenants_are_kept() -> None:
    closed = []

    class Closing:
        def __init__(self, tenant: str) -> None:
            self.tenant = tenant

        async def close(self) -> None:
            closed.append(self.tenant)

    routers = Routers(Closing, most=2)  # type: ignore[arg-type]
    first = routers.of("a")
    routers.of("b")
    assert routers.of("a") is first
    routers.of("c")
    await routers.close()
    assert sorted(closed) == ["a", "b", "c"]
    assert closed[0] == "b"
