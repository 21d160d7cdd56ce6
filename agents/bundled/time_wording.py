"""How questions about times and time zones are worded."""

from __future__ import annotations

import re

TIME = re.compile(
    r"(?<![\w.:-])(?:(?P<hour>[01]?\d|2[0-3])"
    r"(?:(?::|\.(?=\d\d ?[ap]\.?m)|h(?=\d\d))(?P<minute>[0-5]\d))?"
    r" ?(?P<half>[ap]\.?m\b\.?|(?:o'?clock ?)?(?:in the (?:morning|afternoon|evening)|at night)"
    r"|o'?clock|h\b|hrs\b"
    r"|hours(?= (?:in|utc|gmt)\b))?"
    r"|(?P<word>noon|midday|midnight))(?![\w:])",
    re.IGNORECASE,
)
MONTH = re.compile(
    r"\bin (january|february|march|april|may|june|july|august|september|october|november|december)"
    r"(?: (\d{4}))?\b",
    re.IGNORECASE,
)
DIFFERENCE = re.compile(
    r"\bdifference\b|\b(?:ahead of|behind)\b"
    r"|\b(?:hours?|far|much|time)\b.*\b(?:ahead|behind|apart|earlier|later)\b"
    r"|\bhours?(?: (?:is it|are there|lie|lies))? between\b|\btime\b.*\b(?:versus|vs)\b"
    r"|\bsame (?:clock )?time\b",
    re.IGNORECASE,
)
NOW = re.compile(
    r"\btime\b|\bhow late\b|\bclocks?\b|\b(?:what|which|current|at this)"
    r"(?:'?s| is)?(?: the)? hour\b"
    r"|\bo'?clock\b"
    r"|\b(?:is|are) (?:it|he|she|they|people)\b.*\b(?:morning|afternoon|evening|night|daytime|day"
    r"|dark|asleep|sleeping|awake|midnight|late|early)\b",
    re.IGNORECASE,
)
ONLY_NOW = re.compile(
    r"(?:and|what|about|it|is|right|just|now|currently|at|the|this|moment|present|over|in|for|please"
    r"|<place>|\W)*\b(?:now|currently|moment)\b(?:and|over|in|please|<place>|\W)*",
    re.IGNORECASE,
)
THERE = re.compile(
    r"\b(?:her|his|their|the) (?:clock|watch)\b|\bhour is it\b"
    r"|\bwhat time(?: is it)?(?: there| now)*\W*$"
    r"|\b(?:asleep|awake|night|morning)\b",
    re.IGNORECASE,
)
NO_CLOCK = re.compile(
    r"\b(?:trains?|bus|buses|flights?|ferry|weather|rain|sun ?(?:rise|set)|sun (?:rises?|sets?)"
    r"|tides?|open|opens|opening|closes?|closing|shops?|match|game|concert|kick(?:s|ed)? off"
    r"|leaves?"
    r"|departs?|arrives?|lands?|visit|best time|times? of (?:the )?year|safe|built|check[ -]?in)\b",
    re.IGNORECASE,
)
OFFSET = re.compile(r"\b(?:time ?zone|utc offset|gmt offset|offset)\b", re.IGNORECASE)
CHANGE = re.compile(
    r"\bclocks?\b.*\b(?:chang\w*|forwards?|back|go|switch|turned|spring)\b|\b(?:chang\w*|put|turn)\b.*"
    r"\bclocks?\b|\b(?:summer ?time|winter ?time|daylight savings?|dst)\b",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(half|quarter|\d{1,2})(?: minutes?)? (past|after|to) (\d{1,2})\b", re.IGNORECASE
)


def spoken_times(text: str) -> str:
    """Write 'half past 6' as 6:30 and 'quarter to 9' as 8:45; numbers are digits already."""
    return _PAST.sub(_past, text)


def _past(match: re.Match[str]) -> str:
    hour, words = int(match[3]), {"half": 30, "quarter": 15}
    minutes = words.get(match[1].lower()) or int(match[1])
    if hour > 23 or minutes > 59 or (match[2].lower() == "to" and match[1].isdigit()):
        return match[0]
    hour, minutes = (hour, minutes) if match[2].lower() != "to" else ((hour - 1) % 24, 60 - minutes)
    return f"{hour or 12}:{minutes:02d}"
