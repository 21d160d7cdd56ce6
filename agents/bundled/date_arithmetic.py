"""Counting with dates: moving a day by a span, working days, distances in words."""

from __future__ import annotations

from datetime import date, timedelta

DAYS = {"day": 1, "week": 7, "fortnight": 14}
MONTHS = {"month": 1, "quarter": 3, "year": 12, "decade": 120}


def moved(day: date, count: int, unit: str, *, working: bool = False) -> date:
    """Return the day `count` units after `day`; a month's last day stays within its month.

    Raises:
        OverflowError, ValueError: beyond the years 1 to 9999.
    """
    if unit == "day" and working:
        return _working_day(day, count)
    if unit in DAYS:
        return day + timedelta(days=count * DAYS[unit])
    from dateutil.relativedelta import relativedelta

    return day + relativedelta(months=count * MONTHS[unit])


def _working_day(day: date, count: int) -> date:
    """Return the day `count` days from Monday to Friday away; whole weeks are leapt over."""
    step = timedelta(days=1 if count >= 0 else -1)
    weeks, left = divmod(abs(count), 5)
    while count and day.weekday() > 4:
        day -= step
    day += 7 * weeks * step
    while left:
        day += step
        left -= day.weekday() < 5
    return day


def working_days(start: date, end: date) -> int:
    """Return how many days from Monday to Friday lie after `start`, up to and with `end`."""
    weeks, rest = divmod((end - start).days, 7)
    return 5 * weeks + sum((start + timedelta(days=n)).weekday() < 5 for n in range(1, rest + 1))


def plural(count: int, unit: str) -> str:
    """Return '1 day', '2 days'."""
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def distance(start: date, end: date, unit: str) -> str:
    """Return what lies between two days (`start` first), counted in `unit`, as a clause."""
    days = (end - start).days
    between = f"between {start} and {end}"
    if "work" in unit or "business" in unit or (unit.startswith("week") and unit.endswith("days")):
        count = plural(working_days(start, end), "working day")
        return f"there are {count} (Monday to Friday, holidays not taken out) {between}"
    if unit.startswith("week"):
        weeks, rest = divmod(days, 7)
        parts = [plural(weeks, "week"), plural(rest, "day") if rest else ""]
    elif unit.startswith(("month", "year")):
        parts = _calendar_parts(start, end, years=unit.startswith("year"))
    else:
        return f"there {'is' if days == 1 else 'are'} {plural(days, 'day')} {between}"
    return f"there are {' and '.join(filter(None, parts))} ({plural(days, 'day')}) {between}"


def _calendar_parts(start: date, end: date, *, years: bool) -> list[str]:
    from dateutil.relativedelta import relativedelta

    gap = relativedelta(end, start)
    days = plural(gap.days, "day") if gap.days else ""
    if not years:
        return [plural(gap.years * 12 + gap.months, "month"), days]
    return [plural(gap.years, "year"), plural(gap.months, "month") if gap.months else "", days]
