"""Whether an answer says anything.

Refusals, empty searches, errors, questions back and "I don't know" are left out where another
agent had an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..sentences import Piece, join, pieces
from .exemplars import Nearness, Sense
from .facts import Facts, facts_of

_REFUSAL = re.compile(
    "|".join(
        (
            r"\b(?:i|we) (?:\w+ ){0,2}?(?:don't|do not|didn't|did not) (?:\w+ )?"
            r"(?:know|have|find|understand)\b",
            r"\b(?:i|we)(?:'m| am|'re| are| was| were)? (?:\w+ ){0,2}?(?:can't|cannot|can not"
            r"|couldn't|could not|won't|will not|unable|not able|not allowed|not sure|not certain"
            r"|not aware)\b",
            r"\b(?:i|we) (?:have|found|know|see) (?:no|nothing)\b",
            r"\bi can only (?:help|answer|assist)\b|\bas an ai\b",
            r"^(?:sorry,? )?(?:no|without any) (?:idea|clue|answer|information|data|results?)\b",
            r"^(?:unable|not able) to\b|\bnot (?:with)?in my (?:scope|area|field|domain)\b",
            r"\b(?:this (?:question|topic|request)|that|it)(?:'s| is| lies) (?:\w+ )?"
            r"(?:outside|beyond)\b",
            r"\bno (?:\w+ )?(?:information|data|documents?|answers?) (?:\w+ ){0,3}"
            r"(?:found|available)\b",
            r"\b(?:do|does) not (?:say|contain|cover|mention) (?:anything|any information|this)\b",
            r"^keine ahnung\b|^das weiß ich nicht\b|\bich (?:weiß|kann) .{0,30}nicht\b",
        )
    ),
    re.IGNORECASE,
)
_COURTESY = re.compile(
    "|".join(
        (
            r"^(?:i'm |i am )?(?:so |very |really )?"
            r"(?:sorry|afraid|apologi[sz]e|my apologies|unfortunately|please excuse)\b",
            r"^(?:i apologi[sz]e|thank(?:s| you)|hello|hi)\b|\b(?:any|some)thing else\b",
            r"\bhow (?:can|may) i (?:help|assist)\b|\brephrase\b",
            r"^(?:please |you (?:may|might|could|should) (?:want to )?"
            r"|i (?:would )?(?:recommend|suggest)(?: that you)? )(?:try |to )?"
            r"(?:contact|ask|consult|reach|check with|refer|turn to|provide|clarify|speak)\b",
        )
    ),
    re.IGNORECASE,
)


_RAW_ERROR = re.compile(
    r"^\W*(?:traceback \(most recent|(?:\w+\.)*\w*(?:error|exception)\b\s*[:(]"
    r"|http(?:/\d(?:\.\d)?)? [45]\d\d\b|[45]\d\d [a-z][a-z ]+$|error\s*(?:code\s*)?\d*\s*(?:[:=]|$)"
    r"|fatal:|panic:|segmentation fault)|\"(?:error|errors|exception|errormessage)\"\s*:",
    re.IGNORECASE,
)
_BLANK = re.compile(
    r"^\W*(?:n/?a|none(?!\.)|null|nil|nan|undefined|todo|tbd|no answer|no data)?\W*$", re.IGNORECASE
)
_ABOUT_ERRORS = re.compile(r"\b(?:\w*errors?|exceptions?|traceback|fehler\w*|status|http)\b", re.I)
_FAILING = re.compile(
    r"\b(?:not|no|none|nothing|cannot|\w+n't|unable|sorry|afraid|errors?|fail\w*|unfortunately|missing"
    r"|unavailable|unclear|unknown|beyond|outside|ai|more|clarify|rephrase|context|details|specify|0"
    r"|hard to say|moment|later|leider|kein\w*|nicht|désolée?|pas|aucune?|siento|mi dispiace"
    r"|non|nessun\w*|não|desculpe|geen|niet|spijt|nie|brak|не|нет|извините)\b|[没無无不抱]|ません|없|\?$",
    re.IGNORECASE,
)
_EMPTY = Nearness(0.4, 0.05)
_EMPTY_BARE = Nearness(0.45, 0.15)
_SURELY_EMPTY = Nearness(0.4, 0.12)
_ASKING = Nearness(0.33, 0.03)
"""What suffices of a sentence, to excuse its numbers, of a question. """
_MOST = 4
_LONGEST = 400


def is_useless(
    parts: Sequence[Piece], query: Facts, senses: Mapping[str, Sense] | None = None
) -> bool:
    """Return whether an answer only refuses: no sentence of it is more than refusal or courtesy.

    A number, link or quotation that the query does not hold is never thrown away, unless `senses`
    (of the quotes) or its form tell that it belongs to an error or an empty search.
    """
    whole = join(parts)
    if senses is not None and (_BLANK.match(whole) or _is_raw_error(parts, query)):
        return True
    short = len(parts) <= _MOST and len(whole) <= _LONGEST
    refuses = False
    stating: list[Piece] = []
    for piece in parts:
        text = piece.quote.replace("’", "'")
        sense = senses.get(piece.quote) if senses and short else None
        refusal = bool(_REFUSAL.search(text)) and len(text) < 240
        empty = sense is not None and _says_nothing(text, sense.empty)
        refuses = refuses or refusal or empty
        if piece.kind == "block" or not (refusal or empty or _COURTESY.search(text)):
            return False
        if sense is None or not sense.empty.reaches(_SURELY_EMPTY):
            stating.append(piece)
    stated = [fact for fact in facts_of(stating).stated if fact.kind != "name"]
    return not parts or (refuses and all(query.holds(fact) for fact in stated))


def refuses(answer: str, query: str) -> bool:
    """Return whether an answer is useless by its words alone; an empty one is."""
    return is_useless(pieces(answer), facts_of(query))


def _says_nothing(text: str, nearness: Nearness) -> bool:
    if text.endswith("?"):
        return nearness.reaches(_ASKING)
    return nearness.reaches(_EMPTY if _FAILING.search(text) else _EMPTY_BARE)


def _is_raw_error(parts: Sequence[Piece], query: Facts) -> bool:
    """Return whether an answer is the message of a program that failed, and nobody asked for it."""
    bare = join(parts).strip("`~ \n")
    is_asked = bool(_ABOUT_ERRORS.search(query.plain))
    return not is_asked and len(parts) <= 2 * _MOST and bool(_RAW_ERROR.search(bare))
