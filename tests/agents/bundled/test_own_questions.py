"""The frozen questions: their shape, and that the agents named answer them with the facts named."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from callboard.agents.bundled import bundled_agents
from callboard.agents.passages import read_passages

AGENTS = {agent.name: agent for agent in bundled_agents()}
QUESTIONS = yaml.safe_load(
    (Path(__file__).parents[3] / "benchmarks/data/questions_own.yaml").read_text(encoding="utf-8")
)["questions"]


def _sets(question) -> list[list[str]]:
    return question.get("any_of") or [question["agents"]]


def test_the_file_has_90_questions_of_the_sizes_agreed() -> None:
    sizes = Counter(len(_sets(question)[0]) for question in QUESTIONS)
    assert sizes == {0: 30, 1: 42, 2: 14, 3: 4}
    assert len({question["id"] for question in QUESTIONS}) == 90


def test_every_agent_is_right_at_least_three_times() -> None:
    right = Counter(
        name
        for question in QUESTIONS
        for name in {name for names in _sets(question) for name in names}
    )
    assert set(right) == set(AGENTS)
    assert min(right.values()) >= 3


@pytest.mark.parametrize(
    "question", [q for q in QUESTIONS if q.get("facts")], ids=lambda question: question["id"]
)
def test_the_right_agents_know_the_facts(said, question) -> None:
    for names in _sets(question):
        known = [said(n, question["question"]) or "" for n in names if AGENTS[n].function]
        assert all(known), "a function agent that is right answers the whole query"
        for name in names:
            if AGENTS[name].documents:
                known += [passage.text for passage in read_passages(AGENTS[name].documents)]
        text = "\n".join(known).lower()
        assert [fact for fact in question["facts"] if fact.lower() not in text] == []


@pytest.mark.parametrize(
    "question", [q for q in QUESTIONS if not _sets(q)[0]], ids=lambda question: question["id"]
)
def test_function_agents_say_nothing_to_what_is_out_of_scope(said, question) -> None:
    answers = {name: said(name, question["question"]) for name in said.functions}
    assert {name: answer for name, answer in answers.items() if answer} == {}


def test_function_agents_are_silent_where_another_one_is_right(said) -> None:
    """An agent that is called by mistake says that it has nothing, rather than something wrong."""
    overlaps = {"units", "temperature"}
    wrong = []
    for question in QUESTIONS:
        right = {name for names in _sets(question) for name in names}
        for name in said.functions:
            if name not in right and {name, *right} & overlaps != overlaps:
                answer = said(name, question["question"])
                wrong += [(name, question["question"], answer)] if answer else []
    assert wrong == []
