"""Feedback through a Board: who is meant, what is refused, and taking it back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pipeline_boards import TWO, with_agents

from callboard import Agent, Board, InvalidInput, UnknownName


def test_feedback_is_of_all_agents_that_the_run_called(board: Board) -> None:
    run = board.run_sync(TWO, session="s1")
    given = board.feedback_sync(run.id, 1)
    assert given.agents == given.standing == ("calculator", "dates")
    assert (given.run_id, given.query, given.score) == (run.id, TWO, 1.0)
    assert board.list_feedback_sync() == (given,)
    assert board.list_feedback_sync(run.id) == (given,)


def test_an_agent_that_should_have_been_called_may_be_named(board: Board) -> None:
    run = board.run_sync("what is 15% of 240?", agents=["calculator"])
    board.register(Agent(name="newcomer", description="Came after the run was over."))
    given = board.feedback_sync(run.id, 0.5, agents=["newcomer", "dates", "dates"], comment="Both.")
    assert (given.agents, given.comment) == (("dates", "newcomer"), "Both.")


def test_an_agent_of_the_run_may_be_named_when_it_is_gone(board: Board) -> None:
    run = board.run_sync(TWO)
    board.unregister("dates")
    assert board.feedback_sync(run.id, -1, agents=["dates"]).agents == ("dates",)


def test_an_agent_that_does_not_exist_is_refused_with_the_nearest(board: Board) -> None:
    run = board.run_sync(TWO)
    with pytest.raises(UnknownName, match="'calculater': did you mean 'calculator'"):
        board.feedback_sync(run.id, 1, agents=["dates", "calculater"])
    assert board.list_feedback_sync() == ()


@pytest.mark.parametrize("score", [1.5, -1.01, float("nan"), float("inf"), True, "1", None])
def test_a_score_outside_of_its_range_is_refused(board: Board, score: float) -> None:
    with pytest.raises(InvalidInput, match=r"not a number in -1\.\.1"):
        board.feedback_sync("any", score)


def test_a_run_that_called_nobody_needs_names(board: Board) -> None:
    run = board.run_sync("zzzz qqqq xxxx")
    assert run.decision is not None
    assert run.decision.agents == ()
    with pytest.raises(InvalidInput, match="called no agent"):
        board.feedback_sync(run.id, -1)
    assert board.feedback_sync(run.id, 1, agents=["dates"]).agents == ("dates",)


@pytest.mark.parametrize("agents", ["dates", []])
def test_agents_are_a_list_of_names(board: Board, agents: list[str]) -> None:
    run = board.run_sync(TWO)
    with pytest.raises(InvalidInput, match="no list of names"):
        board.feedback_sync(run.id, 1, agents=agents)


def test_a_comment_has_a_limit(board: Board) -> None:
    with pytest.raises(InvalidInput, match="4,001 characters"):
        board.feedback_sync("any", 1, comment="x" * 4001)


def test_only_the_user_of_a_run_may_speak_of_it(board: Board) -> None:
    run = board.run_sync(TWO, user="ann")
    with pytest.raises(UnknownName, match="no run"):
        board.feedback_sync(run.id, 1)
    given = board.feedback_sync(run.id, 1, user="ann")
    with pytest.raises(UnknownName, match="no feedback"):
        board.undo_feedback_sync(given.id)
    with pytest.raises(UnknownName, match="no run"):
        board.list_feedback_sync(run.id)
    assert board.list_feedback_sync() == ()
    assert board.list_feedback_sync(user="ann") == (given,)


async def test_feedback_is_given_and_taken_back_from_any_event_loop(
    make_board: Callable[..., Board],
) -> None:
    async with with_agents(make_board()) as board:
        run = await board.run(TWO)
        given = await board.feedback(run.id, -1.0, agents=["dates"])
        assert await board.list_feedback(run.id) == (given,)
        undone = await board.undo_feedback(given.id)
        assert (undone.agents, undone.standing) == (("dates",), ())
        assert await board.list_feedback() == ()
        assert await board.list_feedback(undone=True) == (undone,)
