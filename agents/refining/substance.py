"""Whether an answer says anything.

Refusals and "I don't know" are left out where another agent had an answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..sentences import Piece
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


def is_useless(parts: Sequence[Piece], query: Facts) -> bool:
    """Return whether an answer only refuses: no sentence of it is more than refusal or courtesy.

    A number, link or quotation that the query does not hold is never thrown away.
    """
    refuses = False
    for piece in parts:
        text = piece.quote.replace("’", "'")
        refusal = bool(_REFUSAL.search(text)) and len(text) < 240
        refuses = refuses or refusal
        if piece.kind == "block" or not (refusal or _COURTESY.search(text)):
            return False
    stated = [fact for fact in facts_of(parts).stated if fact.kind != "name"]
    return not parts or (refuses and all(query.holds(fact) for fact in stated))
