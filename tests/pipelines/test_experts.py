"""Experts of a Board: they change what comes first for whom they serve, and for nobody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experts_by_hand import expert_of, leading

from callboard import Agent, Board, Settings
from callboard.errors import ConfigurationError, InvalidInput, UnknownName
from callboard.search.encoder import Encoder
from callboard.search.encoders import load_encoder
from callboard.search.experts.files import dump_expert, save_expert
from callboard.values import EVERYONE, Run

GATE = "The garden gate squeaks whenever somebody opens it."
TRAIN = "Our train to Bergen leaves at seven from platform two."
TIN = "Grandmother keeps her recipes in a blue tin."
QUERY = "What is wrong with the gate?"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("minilm", Settings().cache_dir)


@pytest.fixture
def told(board: Board) -> Board:
    """A Board that remembers three sentences of a user, and the same for all."""
    for user in ("local", EVERYONE):
        for text in (GATE, TRAIN, TIN):
            board.memory.add_sync(text, user=user)
    return board


def searched(board: Board, query: str = QUERY, **whose: Any) -> dict[str, float | None]:
    """Return what is found, the best first, with its cosine."""
    found = board.memory.search_sync(query, **whose)
    return {one.text: one.similarity for one in found}


def experts_of(run: Run) -> dict[str, Any]:
    """Return what the steps `expert` of a run gave, by the key of the step above."""
    return {step.key.rpartition("/")[0]: step.output for step in run.steps if step.name == "expert"}


def strong(encoder: Encoder, query: str, to: str, **more: Any) -> Any:
    """Return an expert that turns a query to a text, and away from what is like the query."""
    asked, target = encoder.encode([query, to])
    away = 3 * target - asked
    return expert_of(encoder, asked, away / np.linalg.norm(away), **more)


def test_an_expert_changes_what_comes_first_and_no_cosine(told: Board, encoder: Encoder) -> None:
    query = "gate train"  # both have a word of it
    before = searched(told, query)
    first, second = list(before)[:2]
    told.experts.add_sync(strong(encoder, query, second), serves=["memory"])
    after = searched(told, query)
    assert list(after)[:2] == [second, first]
    assert after == pytest.approx(before)
    assert list(searched(told, query, user=EVERYONE)) == list(before)
    told.experts.remove_sync("lead")
    assert list(searched(told, query)) == list(before)


def test_what_has_nothing_to_do_with_the_query_is_not_found_by_an_expert(
    told: Board, encoder: Encoder
) -> None:
    query = "Prime factors of polynomials"
    assert searched(told, query) == {}
    told.experts.add_sync(leading(encoder, query, TIN))
    assert told.experts.choose_sync(query).expert == "lead"
    assert searched(told, query) == {}


def test_tenants_see_only_their_own_experts(told: Board, encoder: Encoder) -> None:
    other = told.scoped("other")
    told.experts.add_sync(leading(encoder, QUERY, TRAIN))
    assert [one.card.name for one in told.experts.list_sync()] == ["lead"]
    assert other.experts.list_sync() == ()
    assert other.experts.choose_sync(QUERY).expert is None
    with pytest.raises(UnknownName, match="no expert 'lead'"):
        other.experts.remove_sync("lead")
    assert told.experts.choose_sync(QUERY).expert == "lead"


def test_a_turn_records_which_expert_read_it_and_why(told: Board, encoder: Encoder) -> None:
    query = "What is 15% of 240, and does the gate squeak?"
    assert experts_of(told.run_sync(query)) == {}
    told.experts.add_sync(leading(encoder, query, TRAIN), serves=["knowledge"])
    run = told.run_sync(query)
    (choice,) = experts_of(run)["recall"].values()
    assert choice["expert"] == "lead"
    assert choice["scores"]["lead"] > 0.5
    assert list(experts_of(run)) == ["recall"]
    elsewhere = experts_of(told.run_sync("What is 3 times 4?"))["recall"]["knowledge"]
    assert elsewhere["expert"] is None
    assert "base" in elsewhere["reason"]


def test_an_agent_may_have_an_expert_of_its_own(
    board: Board, encoder: Encoder, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Home\n\n{GATE}\n\n# Journey\n\n{TRAIN}\n\n# Kitchen\n\n{TIN}\n")
    query = "Does the garden gate squeak, and when does our train to Bergen leave?"

    def asked() -> tuple[str, Any]:
        run = board.run_sync(query, agents=["house"])
        return run.answer or "", experts_of(run).get("act:house")

    def registered(expert: str | None) -> None:
        board.register(
            Agent(
                name="house",
                description="Knows everything about the house and the journeys of the family.",
                documents=(str(page),),
                expert=expert,
            ),
            replace=True,
        )

    registered(None)
    first, step = asked()
    assert step is None
    other = TRAIN if GATE in first else GATE
    registered("own")
    answer, step = asked()
    assert answer == first
    assert step["documents"]["expert"] is None
    assert "'own' is not registered" in step["documents"]["reason"]
    board.experts.add_sync(strong(encoder, query, other, name="own"), serves=())
    answer, step = asked()
    assert other in answer
    assert step["documents"]["expert"] == "own"
    assert "own" in step["documents"]["reason"]
    registered(None)
    assert asked() == (first, None)


def test_what_is_for_an_agent_alone_is_read_by_its_own_expert(
    board: Board, encoder: Encoder
) -> None:
    query = "gate train"  # both have a word of it
    for text in (GATE, TRAIN):
        board.memory.add_sync(text, agent="porter")

    @board.agent(description="Opens gates and calls trains.", expert="own")
    def porter(query: str) -> str:
        return "At your service."

    before = list(searched(board, query, agent="porter"))
    board.experts.add_sync(strong(encoder, query, before[1], name="own"), serves=())
    assert list(searched(board, query, agent="porter")) == before[::-1]
    run = board.run_sync(query, agents=["porter"])
    assert list(experts_of(run)) == ["recall:porter"]
    told = experts_of(run)["recall:porter"]
    assert {corpus: one["expert"] for corpus, one in told.items()} == {
        "memory": "own",
        "knowledge": "own",
    }


def test_what_an_expert_does_not_find_near_is_still_answered(
    board: Board, encoder: Encoder, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text("\n\n".join(f"# Part {n}\n\nThe {n}th shelf holds paint." for n in range(30)))
    page.write_text(page.read_text() + f"\n\n# Gate\n\n{GATE}\n")
    board.register(Agent(name="house", description="Knows the house.", documents=(str(page),)))
    query = "Does the garden gate squeak whenever somebody opens it?"
    board.experts.add_sync(strong(encoder, query, "The 3th shelf holds paint."))
    run = board.run_sync(query, agents=["house"])
    assert experts_of(run)["act:house"]["documents"]["expert"] == "lead"
    assert GATE in (run.answer or "")


def test_an_expert_of_agents_moves_the_choice_and_never_the_guard(
    board: Board, encoder: Encoder
) -> None:
    query = "What is 20% of 150?"
    before = board.route_sync(query)
    assert before.agents == ("calculator",)
    board.experts.add_sync(
        strong(encoder, query, "Which weekday is 2026-03-01?"), serves=["agents"]
    )
    after = board.route_sync(query)
    score = {one.agent: one.score for one in after.candidates}
    assert score["dates"] > {one.agent: one.score for one in before.candidates}["dates"] + 0.1
    assert after.guard_score == before.guard_score
    run = board.run_sync(query)
    assert run.decision is not None
    assert {one.agent: one.score for one in run.decision.candidates} == score
    assert experts_of(run)["retrieve"]["agents"]["expert"] == "lead"


def test_another_process_sees_a_change_within_a_second(
    make_board: Callable[..., Board], encoder: Encoder
) -> None:
    one, other = make_board(), make_board()
    assert other.experts.choose_sync(QUERY).expert is None

    def seen(name: str | None) -> float:
        began = time.monotonic()
        while other.experts.choose_sync(QUERY).expert != name:
            assert time.monotonic() - began < 1.0
            time.sleep(0.05)
        return time.monotonic() - began

    one.experts.add_sync(leading(encoder, QUERY, TRAIN))
    assert one.experts.choose_sync(QUERY).expert == "lead"
    seen("lead")
    one.experts.add_sync(leading(encoder, QUERY, TIN, data="anew"), serves=["agents"], replace=True)
    seen(None)
    one.experts.remove_sync("lead")
    assert other.experts.list_sync() == ()


async def test_experts_come_and_go_while_queries_run(told: Board, encoder: Encoder) -> None:
    names = [f"lead{n}" for n in range(3)]
    some = [
        leading(encoder, QUERY, text, name=name)
        for text, name in zip((GATE, TRAIN, TIN), names, strict=True)
    ]

    async def change() -> None:
        for _ in range(4):
            await asyncio.gather(*(told.experts.add(one) for one in some))
            await asyncio.gather(*(told.experts.remove(name) for name in names))

    async def ask() -> None:
        for _ in range(12):
            found = await told.memory.search(QUERY)
            assert GATE in found[0].text  # it alone is near by words too
            choice = await told.experts.choose(QUERY)
            assert choice.expert is None or choice.expert in choice.scores

    runs, *_ = await asyncio.gather(
        asyncio.gather(*(told.run(f"What is {n}% of 150? And the gate?") for n in range(2, 8))),
        change(),
        *(ask() for _ in range(4)),
    )
    assert {run.status for run in runs} == {"done"}
    assert not [step for run in runs for step in run.steps if step.status != "done"]
    assert await told.experts.list() == ()


def test_what_is_wrong_with_an_expert_is_told_in_words(
    board: Board, encoder: Encoder, tmp_path: Path
) -> None:
    def refused(match: str, given: Any, kind: type[Exception], **more: Any) -> None:
        with pytest.raises(kind, match=match):
            board.experts.add_sync(given, **more)

    good = leading(encoder, QUERY, TRAIN)
    file = tmp_path / "lead.safetensors"
    save_expert(good, file)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(dump_expert(good)[:-100])
    refused("'no.file' can't be read", "no.file", InvalidInput)
    refused("cut.safetensors' is damaged", cut, ConfigurationError)
    made_for = replace(good, card=replace(good.card, encoder="other-1"))
    refused("for the encoder 'other-1'", made_for, ConfigurationError)
    refused("can't be called 'base'", leading(encoder, QUERY, TRAIN, name="base"), InvalidInput)
    refused("can't be called 'A b'", leading(encoder, QUERY, TRAIN, name="A b"), InvalidInput)
    refused("did you mean 'memory'", good, InvalidInput, serves=["memry"])
    assert board.experts.list_sync() == ()
    added = board.experts.add_sync(file)
    assert added.serves == ("memory", "knowledge", "documents")
    assert board.experts.add_sync(good) == added
    refused("another expert 'lead'", leading(encoder, QUERY, TIN), InvalidInput)
    with pytest.raises(UnknownName, match="did you mean 'lead'"):
        board.experts.get_sync("leed")
    with pytest.raises(InvalidInput, match="do not serve 'pages'"):
        board.experts.choose_sync(QUERY, "pages")  # type: ignore[arg-type]


def test_the_settings_turn_experts_off(make_board: Callable[..., Board], encoder: Encoder) -> None:
    make_board().experts.add_sync(leading(encoder, QUERY, TRAIN))
    off = make_board(retrieval={"experts": "off"})
    assert "off in [retrieval]" in off.experts.choose_sync(QUERY).reason
    nearest = make_board(retrieval={"experts": "nearest"})
    assert "nearest pilot" in nearest.experts.choose_sync(QUERY).reason
