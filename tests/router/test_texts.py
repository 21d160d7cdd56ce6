from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.agents.spec import Agent
from callboard.router.retrieval.texts import AgentTexts, background, phrases, split_description

sentences = st.text(st.characters(categories=["L", "Zs", "Po", "Pd"]), min_size=10, max_size=80)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("This agent specializes in billing.", "billing."),
        ("The assistant is able to plan trips.", "plan trips."),
        ("It can also track parcels.", "track parcels."),
        ("An agent capable of answering questions about taxes.", "taxes."),
        ("This tool helps users with refunds.", "refunds."),
    ],
)
def test_openings_that_all_descriptions_share_are_left_out(said: str, left: str) -> None:
    assert split_description(said) == (left, "")


@pytest.mark.parametrize(
    "said",
    [
        "Adds and multiplies numbers.",
        "Analyses sales figures.",
        "Answers questions about invoices.",
        "Theatre tickets and seats.",
        "Items in stock.",
        "Services for cars.",
        "IT help for laptops.",
        "A-level exams and marks.",
    ],
)
def test_words_that_only_begin_like_an_opening_stay_whole(said: str) -> None:
    assert split_description(said) == (said, "")


def test_a_description_that_is_nothing_but_an_opening_is_kept() -> None:
    assert split_description("This agent is able to.") == ("This agent is able to.", "")


@pytest.mark.parametrize(
    "denied",
    [
        "It does not know delivery times.",
        "It can't give legal advice.",
        "This agent is not for business customers.",
        "Never handles refunds abroad.",
    ],
)
def test_sentences_that_deny_say_what_is_not_its(denied: str) -> None:
    assert split_description(f"Invoices and charges. {denied}") == ("Invoices and charges.", denied)


def test_a_description_of_denials_alone_is_taken_as_it_is() -> None:
    assert split_description("It does not answer.") == ("It does not answer.", "")


def test_each_wish_of_a_description_is_a_phrase() -> None:
    assert phrases("Opening hours, lost parcels and delivery times; Saturdays.") == (
        "Opening hours",
        "lost parcels",
        "delivery times",
    )


def test_phrases_of_denials_name_the_wish_alone() -> None:
    assert phrases("It does not know delivery times or shop addresses.") == (
        "delivery times",
        "shop addresses",
    )


def test_an_agent_knows_what_is_not_its_from_denials_and_counterexamples() -> None:
    texts = AgentTexts.of(
        Agent(
            name="lost-and_found",
            description="Lost parcels and coats. It does not know delivery times.",
            examples=("where is my coat?",),
            counterexamples=("when will it arrive?",),
        )
    )
    assert texts.name == "lost and found"
    assert texts.document == "lost and found. Lost parcels and coats."
    assert texts.phrases == ("Lost parcels",)
    assert texts.not_its == ("delivery times", "when will it arrive?")
    assert set(texts.all) >= {texts.name, texts.document, *texts.examples, *texts.not_its}


@given(sentences)
def test_an_agent_always_has_something_to_be_compared_with(description: str) -> None:
    does, does_not = split_description(description)
    assert does.strip() or not description.strip()
    assert set(does.split()) | set(does_not.split()) <= set(description.split())
    texts = AgentTexts(
        name="a", does=does, phrases=phrases(does) or (does,), examples=(), not_its=()
    )
    assert texts.phrases


@given(sentences)
def test_phrases_are_several_words_each_and_none_twice(text: str) -> None:
    found = phrases(text)
    assert len(set(found)) == len(found)
    assert all(len(phrase.split()) > 1 for phrase in found)


def test_the_background_is_varied_and_clean() -> None:
    lines = background()
    assert len(lines) > 500
    assert len(set(lines)) == len(lines)
    assert all(line == line.strip().lower() for line in lines)
