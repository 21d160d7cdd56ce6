"""Turns on a Board with a cross-encoder, a tiny one with weights of chance. Loads torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cross_encoder import make_cross_encoder

from callboard import Agent, Board, ConfigurationError, Run
from callboard.search.reranker import load_reranker
from callboard.values import Memo, Step, Tier

NOTES = [
    "The key of the cellar hangs behind the clock.",
    "The key of the attic lies under the mat.",
    "A key of the shed is with the neighbour.",
    "The key of the letter box is lost.",
    "The key of the bicycle is on the hook.",
]
ASKED = "Where is the key of the cellar?"


def made(make_board: Callable[..., Board], tmp_path: Path, **retrieval: Any) -> Board:
    """Return a Board that remembers notes and has an agent with documents, and one of memory."""
    board = make_board(retrieval=retrieval)
    page = tmp_path / "keys.md"
    page.write_text("\n\n".join(f"# Key {n}\n\n{note}" for n, note in enumerate(NOTES)), "utf-8")
    board.register(Agent(name="pages", description="Where keys are.", documents=(str(page),)))

    @board.agent(name="keeper", description="Knows where things are kept, such as keys.")
    def keep(query: str, memo: Memo) -> str:
        return memo.text or "I know nothing."

    for note in NOTES:
        board.memory.add_sync(note)
    return board


def reranked(run: Run) -> dict[str, Step]:
    return {step.key: step for step in run.steps if step.name == "rerank"}


@pytest.mark.parametrize("budget", ["low", "mid"])
async def test_recall_and_documents_are_reranked_as_steps_of_their_own(
    budget: Tier, make_board: Callable[..., Board], tmp_path: Path
) -> None:
    folder = make_cross_encoder(tmp_path / "tiny")
    board = made(make_board, tmp_path, reranker=str(folder), rerank=3)
    run = await board.run(ASKED, agents=["pages", "keeper"], memory=budget)
    steps = reranked(run)
    assert set(steps) == {"recall/rerank", "act:pages/rerank"}
    reranker = load_reranker(str(folder))
    for step in steps.values():
        assert step.status == "done"
        assert isinstance(step.output, list)
        after = [one["after"] for one in step.output]
        assert len(after) == 3
        assert after == sorted(after, reverse=True)
        assert set(step.output[0]) == {"id", "before", "after"}
    chunks = [one["id"] for one in steps["recall/rerank"].output]
    texts = {one.id: one.text for one in await board.memory.list()}
    scores = reranker.scores(ASKED, [texts[id_] for id_ in chunks])
    assert scores.tolist() == pytest.approx(
        [one["after"] for one in steps["recall/rerank"].output], abs=1e-3
    )
    (kept,) = (step.output for step in run.steps if step.key == "recall/filter")
    assert kept["tier"] == budget
    order = [one["chunk_id"] for one in kept["found"]["kept"]]
    assert [one for one in order if one in chunks] == chunks


async def test_without_a_cross_encoder_there_is_no_step(
    make_board: Callable[..., Board], tmp_path: Path
) -> None:
    run = await made(make_board, tmp_path).run(ASKED, agents=["pages", "keeper"])
    assert reranked(run) == {}


async def test_a_cross_encoder_that_fails_never_fails_a_turn(
    make_board: Callable[..., Board], tmp_path: Path
) -> None:
    folder = make_cross_encoder(tmp_path / "broken", broken=True)
    board = made(make_board, tmp_path, reranker=str(folder))
    run = await board.run(ASKED, agents=["pages", "keeper"])
    assert run.status == "done"
    assert "behind the clock" in (run.answer or "")
    assert {step.status for step in reranked(run).values()} == {"failed"}
    assert all("no numbers" in (step.error or "") for step in reranked(run).values())
    assert {step.status for step in run.steps if step.name != "rerank"} == {"done"}


def test_a_cross_encoder_that_is_not_here_is_told_before_the_run(
    make_board: Callable[..., Board], tmp_path: Path
) -> None:
    board = make_board(retrieval={"reranker": str(tmp_path / "none")})
    with pytest.raises(ConfigurationError, match="none' can't be loaded from this machine"):
        board.run_sync(ASKED)
