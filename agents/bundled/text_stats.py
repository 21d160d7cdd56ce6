"""The agent of text statistics: counts, longest and most frequent words, palindromes, letter case.

The text meant is what stands in quotation marks, or after a colon, or a single word after "in the
word"; without any of these nothing is counted, because it is not clear what is meant.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from .wording import clauses, clean, spelled

WORDS_PER_MINUTE = 238
"""Silent reading of English. Source: Brysbaert 2019, J. Memory and Language 109, 104047."""
MAX_SHOWN = 5000
"""A reversed or capitalised text is shown up to this many characters."""

_QUOTED = re.compile(
    r"\"([^\"]+)\"|“([^”]+)”|„([^“”]+)[“”]|«([^»]+)»|‘([^’]+)’|(?<!\w)'((?:[^']|(?<=\w)'(?=\w))+)'(?!\w)"
)
_AFTER_COLON = re.compile(r":\s*(\S.*)$", re.DOTALL)
_SINGLE = re.compile(
    r"\b(?:in|of|has|have|is|does|reverse|backwards|spell)(?: the)?(?: words?| names?| text)?"
    r" ([^\W\d_][\w'-]{2,})\W*$",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"\b(?:the (?:word|name|term|text)"
    r"|is(?=(?: the word)? \S+ (?:an? palin|(?:spelled |spelt |read )?the same))"
    r"|(?:is|does|how is|spell|write|say|read)(?= \S+ (?:\w+ )?(?:backwards?|in reverse))"
    r"|(?:make|turn|put|convert)(?= \S+ (?:in |to |into )?(?:lower|upper|title|cap))) "
    r"([^\W\d_][\w'-]*)",
    re.IGNORECASE,
)
_ASKED_AFTER = re.compile(
    r"(.+?[.!?]?)\s+((?:how|what|which|is|count)\b[^.!?]*\?)", re.I | re.DOTALL
)
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SENTENCE = re.compile(r"[^.!?…]+(?:[.!?…]+|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The wording of a wish, in small letters, and the text that it is about."""

    wording: str
    text: str


def text_stats(query: str) -> str | None:
    """Return what `query` asks about a text in it, or None if it asks nothing of the kind."""
    if counted := _occurrences(query):
        return counted
    answers = [answer for request in _requests(query) for answer in _answers(request)]
    return " ".join(dict.fromkeys(answers)) or None


def _answers(request: Request) -> list[str]:
    wording = re.sub(r"\s+", " ", spelled(request.wording, "text_stats")).strip()
    request = Request(wording=wording, text=request.text)
    return [
        answer
        for pattern, reply in _REPLIES
        if re.search(pattern, wording) and (answer := reply(request))
    ]


def _occurrences(query: str) -> str | None:
    """Return how often one quoted text stands in another: 'how many times is "a" in "b"'."""
    quotes = [match for match in _QUOTED.finditer(query) if any(match.groups())]
    if len(quotes) != 2 or not re.search(
        r"\b(?:how (?:often|many times)|occurrences?)\b", query, re.I
    ):
        return None
    part, text = (_inside(match) for match in quotes)
    if not re.search(r"\b(?:in|within|of)\b", query[quotes[0].end() : quotes[1].start()]):
        return None
    # A word is counted as a word in a text of several, and as signs within one word.
    edge = r"(?!\w)" if len(words(text)) > 1 and len(part) > 1 else ""
    start = r"(?<!\w)" if edge else ""
    count = len(re.findall(rf"{start}{re.escape(part)}{edge}", text, re.IGNORECASE))
    return f"{_shown(part)} occurs {_plural(count, 'time')} in {_shown(text)}."


def _requests(query: str) -> list[Request]:
    """Pair each text with the words around it: those since the text before, and those after it."""
    quotes = [match for match in _QUOTED.finditer(query) if any(match.groups())]
    # In "how many r's are in 'strawberry'" a single letter in quotes belongs to the wish.
    texts = [match for match in quotes if len(match[0]) > 3] or quotes
    if not texts:
        return _unquoted(query)
    requests, start = [], 0
    for match in texts[:-1]:
        wording = query[start : match.start()][-400:]
        requests.append(Request(wording=wording.lower(), text=_inside(match)))
        start = match.end()
    last = texts[-1]
    wording = f"{query[start : last.start()][-400:]} _ {query[last.end() :][:400]}"
    return [*requests, Request(wording=wording.lower(), text=_inside(last))]


def _inside(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group)


def _unquoted(query: str) -> list[Request]:
    if match := _AFTER_COLON.search(query):
        wording, text = query[: match.start(1)][-400:].lower(), match[1].strip()
        request = Request(wording=wording, text=text)
        # "My title is: Hello you. How many letters?" asks after the text.
        if (asked := _ASKED_AFTER.fullmatch(text)) and not _answers(request):
            request = Request(wording=asked[2].lower(), text=asked[1])
        return [request]
    requests = []
    for clause in clauses(clean(query)):
        match = _NAMED.search(clause) or _SINGLE.search(clause)
        if match:
            wording = f"{clause[: match.start(1)]} _ {clause[match.end(1) :]}"
            requests.append(Request(wording=wording.lower(), text=match[1]))
    return requests


# What is told ----------------------------------------------------------------------------------


def words(text: str) -> list[str]:
    """Return the words of a text; "it's" and "well-known" are one word each."""
    return _WORD.findall(text)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _shown(text: str) -> str:
    return f'"{text}"' if len(text) <= 60 else "The text"


def _words(request: Request) -> str:
    return f"The text has {_plural(len(words(request.text)), 'word')}."


def _different(request: Request) -> str:
    count = len({word.lower() for word in words(request.text)})
    return f"The text has {_plural(count, 'different word')}."


def _characters(request: Request) -> str:
    text = request.text
    inner = sum(not sign.isspace() for sign in text)
    without = f" ({inner} without spaces)" if inner != len(text) else ""
    return f"{_shown(text)} has {_plural(len(text), 'character')}{without}."


def _letters(request: Request) -> str:
    count = sum(sign.isalpha() for sign in request.text)
    return f"{_shown(request.text)} has {_plural(count, 'letter')}."


def _one_letter(request: Request) -> str:
    asked = re.search(_LETTER, request.wording)
    letter = next(part for part in asked.groups() if part) if asked else ""
    count = request.text.lower().count(letter)
    return f"The letter {letter!r} occurs {_plural(count, 'time')} in {_shown(request.text)}."


def _vowels(request: Request) -> str:
    count = sum(sign in "aeiou" for sign in request.text.lower())
    return f"{_shown(request.text)} has {_plural(count, 'vowel')} (a, e, i, o, u)."


def _sentences(request: Request) -> str:
    count = sum(bool(words(part)) for part in _SENTENCE.findall(request.text))
    return f"The text has {_plural(count, 'sentence')}."


def _reading_time(request: Request) -> str:
    count = len(words(request.text))
    seconds = max(1, round(count * 60 / WORDS_PER_MINUTE))
    minutes, rest = divmod(seconds, 60)
    said = f"{minutes} min {rest} s" if minutes else _plural(rest, "second")
    counted = _plural(count, "word")
    return f"Reading the text ({counted}) takes about {said} at {WORDS_PER_MINUTE} words a minute."


def _most_frequent(request: Request) -> str | None:
    counted = Counter(word.lower() for word in words(request.text))
    if not counted:
        return None
    top = max(counted.values())
    best = [word for word, count in counted.items() if count == top]
    if top == 1:
        return "Every word of the text occurs once."
    said = ", ".join(repr(word) for word in best[:5])
    return f"The most frequent word{' is' if len(best) == 1 else 's are'} {said}, {top} times."


def _longest(request: Request) -> str | None:
    found = words(request.text)
    if not found:
        return None
    best = max(found, key=len)
    return f"The longest word is {best!r} with {_plural(len(best), 'letter')}."


def _shortest(request: Request) -> str | None:
    found = words(request.text)
    if not found:
        return None
    best = min(found, key=len)
    return f"The shortest word is {best!r} with {_plural(len(best), 'letter')}."


def _palindrome(request: Request) -> str:
    signs = [sign for sign in request.text.casefold() if sign.isalnum()]
    verdict = "is" if signs == signs[::-1] else "is not"
    return f"{_shown(request.text)} {verdict} a palindrome (spaces, signs and letter case aside)."


def _made(how: str, make: Callable[[str], str]) -> Callable[[Request], str]:
    def reply(request: Request) -> str:
        made = make(request.text)
        cut = f" (the first {MAX_SHOWN} characters)" if len(made) > MAX_SHOWN else ""
        return f"{how}{cut}: {made[:MAX_SHOWN]}"

    return reply


def _title(text: str) -> str:
    return _WORD.sub(lambda word: word[0][:1].upper() + word[0][1:].lower(), text)


_LETTER = (
    r"\bhow many (?:times (?:is |are |does |do |the |letter )*|letters? |of the letter )?"
    r"['\"]?(?!is\b)([a-z])(?:['\"]?s|['\"])?(?= |$)(?! words)"
    r"|\bletter ['\"]?([a-z])\b|(?<![\w'])([a-z])['\"]?'s(?!\w)"
)
_BACKWARDS = (
    r"\b(?:revers\w+|backwards?|back to front|mirror\w*|flip\w*|invert\w*|turn\w* _ around)\b"
)
_SAME = (
    r"\bpalindrom\w*\b|\bsame\b.*\b(?:backwards?|both (?:ways|directions)|either way)\b"
    r"|\bbackwards?\b.*\bsame\b"
)
_COUNT = r"\b(?:how many|number of|count|many|total)(?: of)?(?: the| all| these| those| my)?"

_REPLIES: list[tuple[str, Callable[[Request], str | None]]] = [
    (rf"{_COUNT} words?\b|\bwords? count\b|(?:^|\b(?:the|all) )words (?:in|of)\b", _words),
    (r"\b(?:unique|diff\w+|distinct) words\b", _different),
    (
        r"\b(?:characters?|chars?)\b|\blength of\b"
        r"|\bhow long is (?:(?:the|this) (?:word|text|string|phrase|sentence) )?_",
        _characters,
    ),
    (
        rf"^(?!.*(?:{_LETTER})).*(?:{_COUNT} letters\b|^letters (?:in|of)\b|\bletter count\b)",
        _letters,
    ),
    (_LETTER, _one_letter),
    (r"\bvowels?\b", _vowels),
    (rf"{_COUNT} sentences?\b|\bsentence count\b|(?:^|\bthe )sentences in\b", _sentences),
    (
        r"\b(?:reading time|how long .*\bread|time to read|(?:minutes|seconds|time) .*\bread)\b",
        _reading_time,
    ),
    (r"\bmost (?:\w+ )?words?\b|\bwords?\b.*\bmost\b|\bcommonest word\b", _most_frequent),
    (r"\blongest word\b|\bword\b.*\blongest\b", _longest),
    (r"\bshortest word\b|\bword\b.*\bshortest\b", _shortest),
    (_SAME, _palindrome),
    (rf"^(?!.*(?:{_SAME})).*{_BACKWARDS}", _made("Reversed", lambda text: text[::-1])),
    (
        r"\b(?:upper[ -]?case|capitals|capital letters|all caps|in caps|block letters|shout)\b",
        _made("In capitals", str.upper),
    ),
    (
        r"\b(?:lower[ -]?case|small letters|(?:all|in|to) lower)\b",
        _made("In small letters", str.lower),
    ),
    (r"\b(?:title[ -]?case|capitali[sz]e)\b", _made("In title case", _title)),
]
