"""Getting ready, checking agents, and having a model suggest better descriptions."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from callboard import Agent, Board, ScriptedModel
from callboard.errors import BadModelOutput, BudgetExceeded, InvalidInput, UnknownName
from callboard.models.chat import ChatRequest

BILLING = Agent(
    name="billing",
    description="Invoices, charges and refunds.",
    examples=("why was I charged twice?", "send me the invoice again", "my money back please"),
)
PARCELS = Agent(
    name="parcels",
    description="Delivery times, tracking and lost parcels.",
    examples=(
        "when will my parcel arrive?",
        "track my order",
        "why does the invoice charge me twice?",
    ),
)
SUGGESTED = {
    "reason": "Tells charges from parcels.",
    "description": "Delivery times, tracking and the charges for lost parcels.",
    "examples": ["charged for a lost parcel"],
}


def suggesting(request: ChatRequest) -> str:
    return json.dumps(SUGGESTED)


@pytest.fixture
def board(make_board: Callable[..., Board]) -> Board:
    board = make_board(ScriptedModel(suggesting))
    board.register_all([BILLING, PARCELS])
    return board


def test_preparing_learns_so_that_the_first_query_is_answered_as_any_later_one(
    make_board: Callable[..., Board],
) -> None:
    board = make_board()
    board.register_all([BILLING, PARCELS])
    board.prepare_sync()
    first, later = (board.route_sync("track the parcel") for _ in range(2))
    assert first.agents == later.agents == ("parcels",)
    assert first.candidates == later.candidates
    assert first.guard_score == later.guard_score


def test_a_check_finds_the_example_that_goes_to_another(board: Board) -> None:
    checkup = board.check_agents_sync()
    assert [(one.agent, one.tried) for one in checkup.agents] == [("billing", 3), ("parcels", 3)]
    stolen = [one for one in checkup.confusions if one.query == PARCELS.examples[2]]
    assert [(one.agent, one.other) for one in stolen] == [("parcels", "billing")]
    assert checkup.alike == ()


def test_a_check_asks_no_model(make_board: Callable[..., Board]) -> None:
    model = ScriptedModel([])
    board = make_board(model)
    board.register_all([BILLING, PARCELS])
    board.check_agents_sync()
    assert model.requests == []


def test_a_board_without_agents_can_be_checked(make_board: Callable[..., Board]) -> None:
    assert make_board().check_agents_sync().agents == ()


def test_suggestions_are_for_those_that_lose_or_attract_and_change_nothing(board: Board) -> None:
    found = board.suggest_sync()
    assert {one.agent for one in found} == {"billing", "parcels"}
    assert all(one.description == SUGGESTED["description"] for one in found)
    assert [one.agent for one in board.agents()] == [BILLING, PARCELS]


def test_agents_that_are_found_well_need_no_suggestion(make_board: Callable[..., Board]) -> None:
    model = ScriptedModel([])
    board = make_board(model)
    board.register_all([BILLING, PARCELS.model_copy(update={"examples": PARCELS.examples[:2]})])
    assert board.suggest_sync() == ()
    assert model.requests == []


def test_named_agents_are_suggested_for_once_each(board: Board) -> None:
    (found,) = board.suggest_sync(["parcels", "parcels"])
    assert found.agent == "parcels"


def test_a_name_that_does_not_exist_is_refused_with_the_nearest(board: Board) -> None:
    with pytest.raises(UnknownName, match="did you mean 'parcels'"):
        board.suggest_sync(["parcel"])


def test_a_budget_limits_what_suggestions_cost(board: Board) -> None:
    with pytest.raises(BudgetExceeded):
        board.suggest_sync(budget_usd="0.0000001")
    with pytest.raises(InvalidInput, match="budget_usd"):
        board.suggest_sync(budget_usd="much")
    assert board.suggest_sync(["parcels"], budget_usd=1)


def test_a_model_that_talks_nonsense_is_an_error(make_board: Callable[..., Board]) -> None:
    board = make_board(ScriptedModel(lambda request: "Hm."))
    board.register_all([BILLING, PARCELS])
    with pytest.raises(BadModelOutput, match=r"'parcels' and answered 'Hm\.'"):
        board.suggest_sync(["parcels"])


async def test_check_and_suggestions_can_be_awaited(board: Board) -> None:
    await board.prepare()
    assert len((await board.check_agents()).agents) == 2
    assert [one.agent for one in await board.suggest(["billing"])] == ["billing"]
