"""times at its second tier: what the rules know, and what a date parser makes of the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from .base import Passage, Reading
from .times import TimeMention, Times, find_times

# What may be a date: a date in figures, a weekday, a month with a day, a span from now.
_MAYBE = re.compile(
    r"""\b(?:
        \d{1,4}[./-]\d{1,2}[./-]\d{1,4}
      | (?:on|since|by|until|from)\ (?:mon|tues|wednes|thurs|fri|satur|sun)day
      | (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\ \d{1,2}(?:st|nd|rd|th)?\ '\d\d
      | in\ (?:a\ few|some|several|\w+)\ (?:hours?|days?|weeks?|months?|years?)
      | (?:over\ )?\w+\ (?:days?|weeks?|months?|years?)\ (?:earlier|before\ now)
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)
_SETTINGS: dict[str, Any] = {"PREFER_DATES_FROM": "past", "RETURN_AS_TIMEZONE_AWARE": False}


def parse_times(given: Reading) -> Times:
    """Find times by the rules, and by `dateparser` in the pieces that may be dates beside them."""
    ruled = find_times(given)
    known: dict[str, set[str]] = {}
    for mention in ruled.mentions:
        known.setdefault(mention.chunk_id, set()).add(mention.text)
    found = {passage.id: tuple(_parsed(passage, known)) for passage in given.passages}
    mentions = [
        one
        for passage in given.passages
        for one in (*(m for m in ruled.mentions if m.chunk_id == passage.id), *found[passage.id])
    ]
    return Times(mentions=tuple(mentions))


def _parsed(passage: Passage, known: dict[str, set[str]]) -> Iterator[TimeMention]:
    for match in _MAYBE.finditer(passage.text):
        text = " ".join(match[0].casefold().split())
        if any(text in one or one in text for one in known.get(passage.id, ())):
            continue
        meant = _parse(text, passage.created_at)
        if meant is not None:
            known.setdefault(passage.id, set()).add(text)
            value = meant.date().isoformat()
            yield TimeMention(
                text=text, value=value, relative=value[:4] not in text, chunk_id=passage.id
            )


def _parse(text: str, said: datetime) -> datetime | None:
    import dateparser  # type: ignore[import-untyped]  # slow to import

    found: datetime | None = dateparser.parse(
        re.sub(r"^(?:on|since|by|until|from) ", "", text),
        languages=["en"],
        settings={**_SETTINGS, "RELATIVE_BASE": said.replace(tzinfo=None)},
    )
    return found
