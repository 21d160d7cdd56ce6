from __future__ import annotations

import pytest

from callboard.agents.refining.conflicts import conflicts
from callboard.agents.sentences import pieces


def found(one: str, other: str, query: str = "") -> list[tuple[str, tuple[str, str]]]:
    answers = [("left", pieces(one)), ("right", pieces(other))]
    return [(conflict.kind, conflict.values) for conflict in conflicts(answers, query)]


def test_different_numbers_for_the_same_thing_conflict() -> None:
    assert found("Shipping costs $12.95.", "For you shipping costs $15.00.") == [
        ("number", ("$12.95", "$15.00"))
    ]


def test_a_range_is_shown_whole() -> None:
    ((_, values),) = found("Refunds take 5 to 7 days.", "A refund takes 14 days.")
    assert values == ("5 to 7 days", "14 days")


def test_different_dates_conflict() -> None:
    one, other = "The course starts on 14 May 2026.", "The course starts on 21 May 2026."
    assert found(one, other) == [("date", ("14 May 2026", "21 May 2026"))]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Pets are allowed in the flat.", "Pets are not allowed in the flat."),
        ("The pool is open in winter.", "In winter the pool is closed."),
        ("Opened software can be returned.", "Opened software cannot be returned."),
        ("The charger is compatible with it.", "The charger is incompatible with it."),
    ],
)
def test_yes_and_no_conflict(one: str, other: str) -> None:
    assert [kind for kind, _ in found(one, other)] == ["polarity"]


def test_different_names_for_the_same_thing_conflict() -> None:
    one, other = "The head office of Calder is in Leeds.", "Calder has its head office in Bonn."
    assert found(one, other) == [("name", ("Leeds", "Bonn"))]


def test_what_a_pronoun_means_is_read_in_the_query() -> None:
    query = "When was the bridge opened?"
    assert found("The bridge was opened in 1932.", "It was opened to traffic in 1934.", query)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The notice period is two weeks.", "Your notice period is 14 days."),
        ("The deposit is $500.", "The deposit is 500 USD."),
        ("The film starts at 8 pm.", "The film starts at 20:00."),
        ("She was born in December 1815.", "She was born on 10 December 1815."),
        ("The standard plan costs $10.", "The premium plan costs $25."),
        ("Tickets for adults cost 14 euros.", "Tickets for children cost 6 euros."),
        ("Shipping takes 3 days.", "Refunds take 7 days."),
        ("In Oslo it was 4 degrees.", "In Rome it was 19 degrees."),
        ("In May we had 12 guests.", "In June we had 13 guests."),
        ("12 squared is 144.", "13 squared is 169."),
        ("The bike weighs 9 kg.", "The bike costs 9,000 euros."),
    ],
)
def test_the_same_value_or_another_thing_is_no_conflict(one: str, other: str) -> None:
    assert found(one, other) == []


def test_three_agents_are_compared_two_by_two() -> None:
    answers = [
        (agent, pieces(f"The fee is {fee} euros.")) for agent, fee in (("a", 5), ("b", 6), ("c", 5))
    ]
    assert [conflict.agents for conflict in conflicts(answers, "")] == [("a", "b"), ("b", "c")]


def test_a_conflict_is_explained() -> None:
    answers = [("a", pieces("The fee is 5 euros.")), ("b", pieces("The fee is 6 euros."))]
    (conflict,) = conflicts(answers, "")
    assert conflict.text == (
        "The agents disagree: a says “The fee is 5 euros”, b says “The fee is 6 euros”. "
        "They give different numbers: 5 euros and 6 euros."
    )
