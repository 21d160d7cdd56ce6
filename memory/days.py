"""The days that a query names: what was said then, or soon after, is meant before all else."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from dateutil.relativedelta import relativedelta

from .modules.base import Passage, Reading
from .modules.times import find_times
from .ranking import Days

_VALUE = re.compile(r"(\d{4})(?:-W(\d\d)|-(\d\d)(?:-(\d\d))?)?")
_EPOCH = date(1970, 1, 1)


def named_days(query: str, now: datetime) -> tuple[Days, ...]:
    """Return the days, weeks, months and years that `query` names, at the time of asking."""
    asked = Passage(id="query", text=query, writer="", trust=1.0, created_at=now, tokens=0)
    times = find_times(Reading(query=query, passages=(asked,)))
    spans = (_span(mention.value) for mention in times.mentions)
    return tuple(span for span in spans if span is not None)


def _span(value: str) -> Days | None:
    match = _VALUE.fullmatch(value)
    if match is None:
        return None  # a time of day
    year, week, month, day = match.groups()
    if week:
        first = datetime.strptime(f"{value}-1", "%G-W%V-%u").replace(tzinfo=UTC).date()
        after = first + timedelta(weeks=1)
    else:
        first = date(int(year), int(month or 1), int(day or 1))
        length = relativedelta(days=1) if day else relativedelta(months=1)
        after = first + (length if month else relativedelta(years=1))
    return Days(first=(first - _EPOCH).days, last=(after - _EPOCH).days - 1)
