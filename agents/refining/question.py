"""What a query asks for: an amount of money, a time, a name, a yes or no.

Answers to one question may be worded very differently; that each states a value of the kind that
was asked for is the strongest sign that they state the same thing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_MONEY = frozenset(("EUR", "USD", "GBP", "CHF", "JPY", "SEK"))
_FAMILIES = {"weekday": "date", "month": "date", "number": "count"}
_ASKED = tuple(
    (re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), frozenset(families.split()))
    for pattern, families in (
        (r"how many|number of|population|capacity|wie viele|anzahl", "count energy"),
        (r"how many (?:\w+ )?(?:days|weeks|months|years|hours|minutes)", "duration"),
        (r"how many (?:\w+ )?(?:euros?|dollars?|pounds?)", "money"),
        (r"calories|kcal|energy", "energy"),
        (
            r"how much|costs?|prices?|fees?|fines?|charges?|deposit|rent|pay|paid|expensive|salary"
            r"|budget|bill|wie ?viel|kostet?|kosten|preis|miete|gebühr",
            "money",
        ),
        (r"how much|wie ?viel", "mass volume data count energy"),
        (r"how (?:long|soon|quick\w*|fast)|duration|wie lange|warranty|guarantee", "duration"),
        (r"(?:delivery|waiting|notice|processing|cooking) (?:time|period)|garantie", "duration"),
        (r"how (?:far|tall|high|wide|deep|long)|distance|height|width|length|depth", "length"),
        (r"how heavy|weighs?|weight|load|wie schwer|gewicht|gewogen|wiegt", "mass"),
        (r"how (?:large|big|spacious)|area|size|wie groß", "area length volume count data"),
        (r"capacity|hold|tank", "volume"),
        (
            r"when|what time|which (?:day|date|year|month|weekday)|what (?:day|date|year)|deadline"
            r"|on which day|opening hours|wann|uhrzeit|since|due",
            "date time",
        ),
        (r"how old|age|wie alt", "duration count date"),
        (r"how (?:often|frequently)|wie oft", "interval count"),
        (r"rate|interest|percent\w*|share|discount|zins\w*|rabatt", "%"),
        (r"speed|how fast|tempo|geschwindigkeit", "speed"),
        (r"temperatures?|how (?:hot|warm|cold)|temperatur|grad", "temperature"),
        (r"memory|storage|ram|disk|speicher", "data"),
        (
            r"(?:which|what|welche\w*) (?:\w+ )?(?:platform|version|number|room|gate|floor|line"
            r"|port|size|release|chapter|page|track|gleis|zimmer|stock|seite)",
            "count",
        ),
        (r"dose|dosage|dosis", "mass volume count"),
    )
)
_NAME = re.compile(
    r"\b(?:who|whom|whose|where|wer|wem|wen|wo)\b|\bwhat(?: is|'s) the name\b|\bnamed?\b|\bcalled\b"
    r"|\b(?:which|what|in which|welche\w*) (?:city|town|country|company|person|author|firm"
    r"|publisher|hotel|street|station|university|airline|bank|team|composer|architect|stadt)\b",
    re.IGNORECASE,
)
_CLOSED = re.compile(
    r"(?:^|[.?!,;:]\s+|\band\s+|\bund\s+)(?:so |also |then )?(?:is|are|was|were|am|can|could|may|do"
    r"|does|did|will|would|has|have|should|must|ist|sind|war|kann|darf|dürfen|können|muss|gibt|hat"
    r"|haben|wird|werden)\s+\w+",
    re.IGNORECASE,
)
_SEVERAL = re.compile(
    r"\b(?:two|three|both|each|several|respectively|compare|comparison|plans|options|steps|rooms"
    r"|offices|tickets|rates|discounts|limits|rules|branches|who are|who works|team)\b",
    re.IGNORECASE,
)


_JOINED = re.compile(
    r"\b(?:and|und|or|oder)\s+(?:also\s+)?(?:who|what|when|where|which|how|why|is|are|can|do|does"
    r"|was|were|may|wer|was|wann|wo|wie|ist|kann|darf|gibt)\b|\?.+\?",
    re.IGNORECASE,
)
_ADVICE = re.compile(
    r"\b(?:best|good|nice|better|recommend\w*|should i|suggest\w*|worth|gut\w*|beste\w*|empf\w+)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a query asks for; `families` of measures, see `family`. All may be empty or False."""

    families: frozenset[str]
    name: bool
    closed: bool
    several: bool

    def wants(self, dimension: str) -> bool:
        """Return whether a measure of this dimension answers it."""
        return family(dimension) in self.families


@lru_cache(maxsize=64)
def question_of(query: str) -> Question:
    """Read a query, in English or German; others ask for nothing that is known.

    Remembered, because each pair of answers is compared in its light.
    """
    plain = query.replace("’", "'")
    asked = (families for pattern, families in _ASKED if pattern.search(plain))
    return Question(
        families=frozenset[str]().union(*asked),
        name=bool(_NAME.search(plain)) and not _ADVICE.search(plain),
        closed=bool(_CLOSED.search(plain)),
        several=bool(_SEVERAL.search(plain) or _JOINED.search(plain)),
    )


def family(dimension: str) -> str:
    """Return what dimensions of one question have in common: any currency is `money`."""
    base = dimension.split(" of ")[0]
    return "money" if base in _MONEY else _FAMILIES.get(base, base)
