from datetime import UTC, datetime

import pytest

from callboard.agents.bundled.places import find_places
from callboard.agents.bundled.time_zones import answer
from callboard.values import AgentResult

NOW = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("what time is it in tokyo", "In Tokyo it is 17:15 on Sunday, 2026-11-22 (UTC+09:00)."),
        ("current time in london and sydney", "In Sydney it is 19:15"),
        ("3pm in New York is what time in Berlin?", "it is 21:00 in Berlin (the same day)"),
        ("if it's 9:30 am in London on 10 July 2026, how late is it in Sydney?", "18:30 in Sydney"),
        ("On 5 March 2026, 10:30 in Helsinki, what time is that in Seoul", "17:30 in Seoul"),
        ("convert 14:00 UTC to Mumbai time", "19:30 in Mumbai"),
        ("our call is at 4pm Paris time, when is that in Chicago?", "09:00 in Chicago"),
        ("seven pm in Oslo in Delhi time", "23:30 in Delhi"),
        ("it is midnight in Vancouver, what time is it in Delhi", "13:30 in Delhi"),
        ("what is 3 pm PST in CET", "00:00 in CET (the next day, Monday, 2026-11-23)"),
        ("6am in Auckland on 1 May 2026 in Honolulu", "(the day before, Thursday, 2026-04-30)"),
        (
            "How many hours is Tokyo ahead of Paris in January 2026?",
            "8 hours ahead of Paris in January 2026",
        ),
        ("how many hours is Tokyo ahead of Paris in July 2026?", "7 hours ahead"),
        ("time difference between Madrid and Lima", "6 hours ahead of Lima"),
        ("time difference of Kathmandu and London", "5 hours 45 minutes"),
        ("what time zone is Kathmandu in", "Asia/Kathmandu, now UTC+05:45"),
        (
            "when do the clocks change in Berlin",
            "forward by 1 hour on Sunday, 2027-03-28, to 03:00",
        ),
        ("is it summer time in Sydney", "Sydney has summer time now"),
        ("when do the clocks change in Tokyo", "don't change"),
        ("02:30 in Berlin on 29 March 2026 in UTC", "does not exist in Berlin"),
        ("what time is it", "08:15 UTC"),
        (
            "which weekday is 90 days after 2026-01-15, and what is 3pm in Tokyo in Berlin time",
            "15:00 in Tokyo on Sunday, 2026-11-22, it is 07:00 in Berlin",
        ),
    ],
)
def test_wordings_of_time_questions(query: str, said: str) -> None:
    answered = answer(query, now=NOW)
    assert isinstance(answered, str)
    assert said in answered


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("what time is it in Atlantis", "'Atlantis'"),
        ("what's the time in the US", "several time zones"),
    ],
)
def test_a_place_without_one_zone_is_declined_with_the_reason(query: str, reason: str) -> None:
    answered = answer(query, now=NOW)
    assert isinstance(answered, AgentResult)
    assert not answered.answered
    assert reason in answered.text


@pytest.mark.parametrize(
    "query",
    ["Will it rain in Tokyo tomorrow?", "how many orders from Berlin", "a nice day in Rome", ""],
)
def test_what_is_no_time_question_gets_no_answer(query: str) -> None:
    assert answer(query, now=NOW) is None


def test_words_that_are_also_places_need_a_capital() -> None:
    assert [place.name for place in find_places("nice to meet you in Nice, us all")] == ["Nice"]
