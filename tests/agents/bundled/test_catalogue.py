import re
from pathlib import Path

import pytest
import yaml

from callboard.agents.bundled import bundled_agents
from callboard.agents.passages import read_passages

AGENTS = {agent.name: agent for agent in bundled_agents()}
QUESTIONS = yaml.safe_load(
    (Path(__file__).parents[3] / "benchmarks/data/questions_own.yaml").read_text(encoding="utf-8")
)["questions"]


def _normal(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


def test_there_are_at_least_twelve_agents_of_three_kinds() -> None:
    assert len(AGENTS) >= 12
    assert {agent.kind for agent in AGENTS.values()} == {"function", "documents", "model"}


@pytest.mark.parametrize("agent", AGENTS.values(), ids=AGENTS)
def test_an_agent_has_a_precise_description_and_many_examples(agent) -> None:
    sentences = re.findall(r"[^.]+\.(?:\s|$)", agent.description)
    assert 2 <= len(sentences) <= 4
    assert " not " in agent.description, "it says what it does not do"
    assert len(agent.examples) >= 12
    assert len(agent.counterexamples) >= 12
    said = [_normal(text) for text in (*agent.examples, *agent.counterexamples)]
    assert len(set(said)) == len(said)
    assert agent.idempotent == (agent.kind == "function")


@pytest.mark.parametrize(
    ("name", "example"),
    [(a.name, example) for a in AGENTS.values() if a.function for example in a.examples],
)
def test_a_function_agent_answers_its_own_examples(said, name: str, example: str) -> None:
    assert said(name, example)


def test_no_example_stands_in_two_agents_or_in_the_frozen_questions() -> None:
    examples = [_normal(example) for agent in AGENTS.values() for example in agent.examples]
    assert len(set(examples)) == len(examples)
    assert not set(examples) & {_normal(question["question"]) for question in QUESTIONS}


@pytest.mark.parametrize("name", ["shipping_help", "returns_help", "account_help"])
def test_help_pages_are_sections_that_stand_alone(name: str) -> None:
    passages = read_passages(AGENTS[name].documents)
    pages = {passage.file for passage in passages}
    assert 4 <= len(pages) <= 6
    assert len(passages) >= 4 * len(pages)
    for passage in passages:
        assert len(passage.headings) == 2, passage.headings
        assert 60 <= len(passage.text) <= 900


@pytest.mark.parametrize("name", ["small_talk", "writing"])
def test_llm_agents_use_the_main_model_with_instructions(name: str) -> None:
    agent = AGENTS[name]
    assert agent.kind == "model"
    assert agent.model == "main"
    assert agent.instructions
