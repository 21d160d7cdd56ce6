"""The agent of time zones: what time it is elsewhere, now or at a given time, and the difference.

The IANA database (tzdata) knows summer time and past changes; places are a table of ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from ...values import AgentResult
from .date_texts import find_dates, month_number, told
from .places import Place, find_places, wide_country
from .time_wording import (
    CHANGE,
    DIFFERENCE,
    MONTH,
    NO_CLOCK,
    NOW,
    OFFSET,
    ONLY_NOW,
    THERE,
    TIME,
    spoken_times,
)
from .wording import clauses, clean, declined, digits, spelled, without_quotes


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A time of day as it stands in a text."""

    start: int
    end: int
    time: time


def time_zones(query: str) -> str | AgentResult | None:
    """Return what `query` asks about times in other places, or None if it asks nothing."""
    return answer(query, now=datetime.now(UTC))


def answer(query: str, *, now: datetime) -> str | AgentResult | None:
    """Return what `time_zones` returns, at a given instant."""
    whole = spelled(digits(without_quotes(clean(query))), "time_zones")
    whole = spoken_times(whole)
    text = _about_places(whole)
    places = find_places(text)
    if not places:
        return _without_place(text, now)
    if CHANGE.search(text) and re.search(
        r"\b(?:when|change|go|next|is|does|do|has|have|use|observe|there)\b", text, re.I
    ):
        return " ".join(_change(place, now) for place in _unique(places))
    clocks = _clocks(text)
    if clocks and len(_unique(places)) > 1:
        return _converted(text, clocks, places, now)
    if DIFFERENCE.search(text) and len(_unique(places)) > 1:
        return _difference(places[0], _unique(places)[1], _day(text, now), _named_month(text))
    if clocks and not OFFSET.search(text) and re.search(r"\butc|here|for me\b", text, re.I):
        return _converted(text, clocks, places, now)
    if OFFSET.search(text):
        named = [place for place in _unique(places) if place.name not in ("UTC", "GMT")]
        return " ".join(_offset(place, now) for place in named or _unique(places))
    if NO_CLOCK.search(text):
        return None
    if NOW.search(text) or ONLY_NOW.fullmatch(_blanked(text, places)):
        return " ".join(_now(place, now) for place in _unique(places))
    return None


def _blanked(text: str, places: list[Place]) -> str:
    for place in reversed(places):
        text = f"{text[: place.start]}<place>{text[place.end :]}"
    return text


def _unique(places: list[Place]) -> list[Place]:
    return list({place.name: place for place in places}.values())


def _without_place(text: str, now: datetime) -> str | AgentResult | None:
    if not re.search(r"\b(?:what|which|current|tell).*\btime\b|\btime in\b", text, re.I):
        return None
    if wide := wide_country(text):
        name, cities = wide
        return declined(
            "time_zones",
            f"{name} has several time zones. Name a city, such as {', '.join(cities)}.",
        )
    if unknown := re.search(r"\btime (?:is it |is it now |now )?in ([A-Za-z][\w .'-]{1,40})", text):
        return declined("time_zones", f"I don't know the time zone of {unknown[1].strip()!r}.")
    if re.search(
        r"\bwhat(?:'?s| is)? (?:the )?(?:current )?time(?: is it)?(?: now)?\W*$", text, re.I
    ):
        return f"It is {now.astimezone(UTC):%H:%M} UTC. Name a city for its local time."
    return None


def _about_places(text: str) -> str:
    """Return the clauses that name a place, what dates them, and what goes on about the place."""
    parts = clauses(text)
    kept = [
        part
        for number, part in enumerate(parts)
        if find_places(part)
        or _is_date(part)
        or (number and find_places(parts[number - 1]) and THERE.search(part))
    ]
    return ", ".join(kept) if any(find_places(part) for part in kept) else text


def _is_date(part: str) -> bool:
    """Whether a clause is a date and nothing else."""
    found = find_dates(part, date(2000, 1, 1))
    if not found:
        return False
    rest = f"{part[: found[0].start]} {part[found[-1].end :]}"
    return not re.sub(r"\b(?:on|at|and|the)\b|\W", "", rest, flags=re.IGNORECASE)


# Reading ---------------------------------------------------------------------------------------


def _clocks(text: str) -> list[Clock]:
    # Days of dates are no hours: dates are blanked first.
    for found in find_dates(text, date(2000, 1, 1)):
        text = text[: found.start] + " " * (found.end - found.start) + text[found.end :]
    return [
        Clock(start=match.start(), end=match.end(), time=read)
        for match in TIME.finditer(text)
        if (read := _read(match)) is not None
    ]


def _read(match: re.Match[str]) -> time | None:
    if match["word"]:
        return time(0) if match["word"].lower() == "midnight" else time(12)
    half = (match["half"] or "").lower().replace(".", "")
    if not match["minute"] and not half:
        return None
    hour = int(match["hour"])
    if half in ("am", "pm"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    elif half.endswith(("afternoon", "evening", "night")) and 0 < hour < 12:
        hour += 12 if not half.endswith("night") or hour > 5 else 0
    return time(hour, int(match["minute"] or 0))


def _named_month(text: str) -> str | None:
    """Return a month as the text names it: 'in January 2026'."""
    month = MONTH.search(text)
    return month[0] if month else None


def _day(text: str, now: datetime, place: Place | None = None) -> date:
    """Return the day that is meant: a date in the text, a month's middle, or today (there)."""
    today = (now.astimezone(place.zone) if place else now).date()
    found = find_dates(text, today)
    if found and found[0].precision == "day":
        return found[0].day
    if month := MONTH.search(text):
        return date(int(month[2] or today.year), month_number(month[1]), 15)
    return found[0].day if found else today


def _source(text: str, clock: Clock, places: list[Place]) -> Place:
    """Return the place whose time it is: the one right after the time, or the nearest before."""
    after = [place for place in places if place.start >= clock.end]
    if after and re.fullmatch(
        r"[ ,]*(?:(?:o'?clock|local|time|in|at|sharp|on|the)\b[ ,]*)*",
        text[clock.end : after[0].start],
    ):
        return after[0]
    before = [place for place in places if place.end <= clock.start]
    return before[-1] if before else (after or places)[0]


# What is told ----------------------------------------------------------------------------------


def _now(place: Place, now: datetime) -> str:
    local = now.astimezone(place.zone)
    return f"In {place.name} it is {local:%H:%M} on {told(local.date())} ({_utc(local)})."


def _converted(text: str, clocks: list[Clock], places: list[Place], now: datetime) -> str:
    clock = clocks[0]
    source = _source(text, clock, places)
    day = _day(text, now, source)
    local = datetime.combine(day, clock.time, tzinfo=source.zone)
    if local.astimezone(UTC).astimezone(source.zone).replace(tzinfo=None) != local.replace(
        tzinfo=None
    ):
        return (
            f"{clock.time:%H:%M} does not exist in {source.name} on {told(day)}: "
            "the clocks go forward then."
        )
    targets = [place for place in _unique(places) if place.name != source.name]
    parts = [_there(local, place) for place in targets]
    return f"When it is {local:%H:%M} in {source.name} on {told(day)}, it is {' and '.join(parts)}."


def _there(local: datetime, place: Place) -> str:
    there = local.astimezone(place.zone)
    shift = (there.date() - local.date()).days
    day = {0: "the same day", 1: f"the next day, {told(there.date())}"}.get(
        shift, f"the day before, {told(there.date())}"
    )
    return f"{there:%H:%M} in {place.name} ({day})"


def _difference(one: Place, other: Place, day: date, when: str | None) -> str:
    noon = datetime.combine(day, time(12), tzinfo=UTC)
    gap = _offset_of(noon, one) - _offset_of(noon, other)
    at = when or f"on {told(day)}"
    if not gap:
        return f"{one.name} and {other.name} have the same time {at}."
    side = "ahead of" if gap > timedelta(0) else "behind"
    return f"{one.name} is {_hours(abs(gap))} {side} {other.name} {at}."


def _offset_of(instant: datetime, place: Place) -> timedelta:
    return instant.astimezone(place.zone).utcoffset() or timedelta(0)


def _hours(gap: timedelta) -> str:
    hours, minutes = divmod(int(gap.total_seconds()) // 60, 60)
    parts = [f"{hours} hour{'' if hours == 1 else 's'}"] if hours else []
    return " ".join([*parts, f"{minutes} minutes"] if minutes else parts)


def _utc(local: datetime) -> str:
    offset = local.strftime("%z")
    return f"UTC{offset[:3]}:{offset[3:5]}"


def _offset(place: Place, now: datetime) -> str:
    local = now.astimezone(place.zone)
    return f"{place.name} is in the time zone {place.zone.key}, now {_utc(local)}."


def _change(place: Place, now: datetime) -> str:
    """Tell the next change of the clocks: hourly offsets are compared, day by day first."""
    start = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    before = _offset_of(start, place)
    days = (start + timedelta(days=n) for n in range(1, 400))
    changed = next((day for day in days if _offset_of(day, place) != before), None)
    summer = bool((now.astimezone(place.zone)).dst())
    state = f"{place.name} has {'summer' if summer else 'standard'} time now"
    if changed is None:
        return f"{state}, and its clocks don't change."
    hours = (changed - timedelta(hours=n) for n in range(25))
    instant = min(hour for hour in hours if _offset_of(hour, place) != before)
    gap = _offset_of(instant, place) - before
    local = instant.astimezone(place.zone)
    turn = "forward" if gap > timedelta(0) else "back"
    day = told((instant + before).date())
    return f"{state}; the clocks go {turn} by {_hours(abs(gap))} on {day}, to {local:%H:%M}."
