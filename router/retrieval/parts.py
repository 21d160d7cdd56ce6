"""Splits a query with several wishes into its parts, by its words alone.

Whether a split is used is decided later, by whether the parts call different agents; so this
may propose a split that means nothing, but must not cut a wish in two.
"""

from __future__ import annotations

import re

MAX_PARTS = 5

_QUESTION = (
    r"what(?:'s| is| are| was| time| day| does| do)?|which|when|where|who|whose|why|how|is|are|"
    r"does|do|did|can|could|would|will|should|has|have"
)
_REQUEST = (
    r"please|tell|show|give|list|find|get|calculate|compute|add|subtract|multiply|divide|convert|"
    r"count|write|draft|compose|translate|explain|send|check|change|reset|cancel|return|track|"
    r"update|make|create|open|close|turn|set|say|spell|rephrase|summari[sz]e|help|"
    r"i (?:want|need|would)"
)
_STARTS = rf"(?:{_QUESTION}|{_REQUEST})\b"
# A new wish starts after the end of a sentence, or after a joining word that a question or a
# request follows: "15% of 240, and which weekday ..."; but not "the sum of 3 and 4".
_BORDER = re.compile(
    rf"(?:(?<=[?!;])\s+|(?<=\.)\s+(?=[A-Z])|;\s+|\n+"
    rf"|[,;]?\s+(?:and|also|then|plus)(?:\s+(?:also|then|please))?,?\s+(?={_STARTS})"
    r"|[,;]?\s+and\s+(?:since then|besides|on top of (?:it|that)|apart from that|in addition),?\s+"
    rf"|,\s+(?={_STARTS})|,\s+(?:and|then)\s+|(?:^|\s+)\(?\d[.)]\s+"
    rf"|,\s+(?=(?:from|to|in|on|at|for|until|by|of|with)\s+(?:which|what|when|whom)\b))",
    re.IGNORECASE,
)
_JOINING = re.compile(r"^\s*(?:(?:(?:and|also|then|plus)\b,?|\(?\d[.)])\s+)+", re.IGNORECASE)
# "Please fix both" asks for nothing of its own.
_BACK = re.compile(
    r"^(?:please|can you|could you)?\s*(?:fix|help(?: me)?(?: with)?|solve|sort|do|answer|check)\s+"
    r"(?:both|it|this|that|them|these|those|all|everything)(?: of (?:it|them|these))?\W*$",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_ASKS = re.compile(rf"\?|^\W*{_STARTS}", re.IGNORECASE)


def split_wishes(query: str) -> tuple[str, ...]:
    """Return the wishes of `query` in their order; the query itself where there is but one."""
    pieces = [_JOINING.sub("", piece).strip(" ,;") for piece in _BORDER.split(query) if piece]
    parts: list[str] = []
    for piece in pieces:
        if parts and _BACK.match(piece):
            parts[-1] = f"{parts[-1]}, {piece}"
        elif parts and len(_WORD.findall(piece)) < 2:
            parts[-1] = f"{parts[-1]} {piece}"
        elif piece:
            parts.append(piece)
    if len(parts) < 2 or len(parts) > MAX_PARTS:
        return (query,)
    return tuple(parts)


def is_wish(text: str) -> bool:
    """Tell whether `text` asks for something, rather than only saying how things are."""
    return _ASKS.search(text) is not None
