"""Places in a text and the time zones that hold there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from .wording import alternatives, table

_REGIONS = ("Africa", "America", "Asia", "Australia", "Europe")
_CAPITALS = {"uk", "utc", "gmt", "uae", "nyc", "cet", "est", "pst", "ist", "jst", "us", "usa"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place as it stands in a text, and its zone."""

    start: int
    end: int
    name: str
    zone: ZoneInfo


@lru_cache(maxsize=1)
def _zones() -> Mapping[str, str]:
    """Return the zone of every known place, by its name in small letters."""
    known: dict[str, str] = {}
    for zone in available_timezones():
        region, _, city = zone.partition("/")
        if region in _REGIONS and "/" not in city:
            known[city.replace("_", " ").lower()] = zone
    for zone, names in table("places")["zones"].items():
        known |= dict.fromkeys(names, zone)
    return known


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    wide = table("places")["wide"]
    return re.compile(rf"(?<!\w)(?:{alternatives([*_zones(), *wide])})(?!\w)", re.IGNORECASE)


def find_places(text: str) -> list[Place]:
    """Return the places in `text` whose zone is known, in order."""
    found = []
    for match in _pattern().finditer(text):
        zone = _zones().get(match[0].lower())
        # "us", "et" and "nice" are words too; short and ambiguous ones need capitals or direction.
        if zone is None or (match[0].lower() in _WORDS and match[0].islower()):
            continue
        name = _name(match[0])
        found.append(Place(start=match.start(), end=match.end(), name=name, zone=ZoneInfo(zone)))
    return found


_WORDS = {"et", "nice", "rio", "bergen", "bern", "ist", "center"}


def wide_country(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return a country in `text` that has several zones, and cities to choose from."""
    for match in _pattern().finditer(text):
        cities = table("places")["wide"].get(match[0].lower())
        if cities and not (match[0] == "us" and re.search(r"\b(?:for|to|with|of) us\b", text)):
            return _name(match[0]), tuple(cities)
    return None


def _name(word: str) -> str:
    if word.lower() in _CAPITALS or len(word) < 4:
        return word.upper() if word.lower() not in {"rio"} else "Rio"
    small = {"de", "of", "the", "time", "coast"}
    parts = [part if part in small else part[:1].upper() + part[1:] for part in word.split()]
    return " ".join(parts)
