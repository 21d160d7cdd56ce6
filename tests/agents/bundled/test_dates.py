from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.agents.bundled.date_arithmetic import moved, working_days
from callboard.agents.bundled.dates import answer, dates

TODAY = date(2026, 11, 22)  # a Sunday


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            "What is 15% of 240, and which weekday is 90 days after 2026-01-15?",
            "90 days after 2026-01-15 is Wednesday, 2026-04-15.",
        ),
        ("which date is six weeks before Christmas 2026", "Friday, 2026-11-13"),
        ("3 months after 30 November 2025", "Saturday, 2026-02-28"),
        ("2 years and 3 months before March 5th, 2026", "Tuesday, 2023-12-05"),
        ("15.03.2026 plus 45 days", "Wednesday, 2026-04-29"),
        ("add 6 months to 31 August 2025", "Saturday, 2026-02-28"),
        ("a week before the 15th of March 2026", "Sunday, 2026-03-08"),
        ("10 working days after 2026-12-23", "Wednesday, 2027-01-06"),
        ("How many days lie between 3 March 2026 and 17 August 2026?", "167 days"),
        ("how many weeks from 2026-01-01 to 2026-03-01", "8 weeks and 3 days (59 days)"),
        ("how many months between 15 Jan 2025 and 20 March 2026", "14 months and 5 days"),
        ("number of working days between 1 June 2026 and 30 June 2026", "21 working days"),
        ("days until christmas", "33 days between 2026-11-22 and 2026-12-25"),
        ("how many days till 4 july", "224 days between 2026-11-22 and 2027-07-04"),
        ("how many days since 1 January 2026", "325 days"),
        ("what day of the week was 20 July 1969", "1969-07-20 was a Sunday."),
        ("what weekday is 31/12/2026", "2026-12-31 is a Thursday."),
        ("is 4 July 2026 a saturday?", "Saturday"),
        ("what day is the day after tomorrow", "2026-11-24 is a Tuesday."),
        ("on which day does christmas eve fall this year", "2026-12-24 is a Thursday."),
        ("Was 1900 a leap year?", "1900 is not a leap year"),
        ("is 2000 a leap year", "2000 is a leap year"),
        ("when is the next leap year", "2028"),
        ("week number of 2026-12-31", "calendar week 53 of 2026"),
        ("which calendar week is it", "calendar week 47"),
        ("how many days does February 2028 have", "February 2028 has 29 days."),
        ("how many days in 2024", "2024 has 366 days."),
        ("which day of the year is 1 march 2024", "day 61 of 2024"),
        ("how old is someone born on 12 May 1990", "36 years old"),
        ("I was born on 23 November 2000, how old am I?", "25 years old"),
        ("what's the date today?", "Sunday, 2026-11-22"),
        ("what is the date in 3 weeks", "Sunday, 2026-12-13"),
        ("what date was 100 days ago", "Friday, 2026-08-14"),
        ("what is next friday's date", "Friday, 2026-11-27"),
        ("when is easter 2027", "Sunday, 2027-03-28"),
        ("When does Easter fall in 2028?", "Sunday, 2028-04-16"),
        ("what day is Christmas on in 2027?", "2027-12-25 is a Saturday."),
        ("how many weekdays between 1 March 2026 and 31 March 2026", "22 working days"),
        ("how many months from January 2026 to October 2027", "21 months"),
        ("99999 years after 2026-01-01", "outside the calendar"),
    ],
)
def test_wordings_of_date_questions(query: str, said: str) -> None:
    assert said in str(answer(query, today=TODAY))


@pytest.mark.parametrize(
    "query",
    [
        "What is 15% of 240?",
        "what weekday is 2025-02-30",
        "what time is it in Los Angeles when it is noon in Rome on 1 June 2026",
        "How much did we take in during March 2025?",
        "will it rain tomorrow",
        "book a table for 4 July 2026",
        "",
    ],
)
def test_what_is_no_date_question_gets_no_answer(query: str) -> None:
    assert answer(query, today=TODAY) is None


def test_several_wishes_are_answered_in_their_order() -> None:
    said = answer("which weekday is 4 July 2026, and is 2028 a leap year?", today=TODAY)
    assert said == "2026-07-04 was a Saturday. 2028 is a leap year: February has 29 days."


_DAYS = st.dates(date(1600, 1, 1), date(2400, 1, 1))


@settings(max_examples=100, deadline=None)
@given(_DAYS, st.integers(0, 3000))
def test_days_after_are_those_of_datetime(start: date, count: int) -> None:
    there = start + timedelta(days=count)
    said = answer(f"which weekday is {count} days after {start}?", today=TODAY)
    assert said == f"{count} days after {start} is {there:%A}, {there}."


@settings(max_examples=100, deadline=None)
@given(_DAYS, _DAYS)
def test_differences_are_those_of_datetime(one: date, other: date) -> None:
    said = answer(f"how many days are between {one:%d %B %Y} and {other}", today=TODAY)
    assert f" {abs((one - other).days)} day" in str(said)


@settings(max_examples=60, deadline=None)
@given(_DAYS, st.integers(-400, 400))
def test_working_days_there_are_counted_the_same(start: date, count: int) -> None:
    there = moved(start, count, "day", working=True)
    walked, step = [], timedelta(days=1 if count >= 0 else -1)
    day = start
    while len(walked) < abs(count):
        day += step
        if day.weekday() < 5:
            walked.append(day)
    assert there == (walked[-1] if walked else start)
    if count > 0:
        assert working_days(start, there) == count


def test_the_agent_reads_the_clock_of_the_machine() -> None:
    assert str(date.today().year) in str(dates("what's the date today?"))
