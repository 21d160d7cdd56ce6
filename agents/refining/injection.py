"""Text of an agent that addresses the assistant instead of the user.

What an agent answers is data. A sentence in it that gives orders to whoever reads the answers (a
model, a program) is withheld: the model never sees it and the user is told that it was there. The
patterns look for the addressee and the matter (other answers, the output, the prompt) and not for
commanding tone alone, which every manual has. With the senses of an encoder, sentences near to
exemplars of such orders are withheld too.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from ..sentences import Piece
from .exemplars import Nearness, Sense

_INVISIBLE = re.compile(
    "[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
    "|(?<=[A-Za-z])[\u200c\u200d]+(?=[A-Za-z])"
)
_TAGGED = re.compile("[\U000e0020-\U000e007e]+")
_LOOKALIKES = str.maketrans(
    dict(zip("авеікмнорстухѕјοαικρυν", "abeikmhopctyxsjoaikpuv", strict=True))
)
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")

_AT_WORD = r"\b"

_CUED = Nearness(0.5, 0.1)
_BARE = Nearness(0.55, 0.15)
_NEIGHBOUR = Nearness(0.45, 0.1)
"""What suffices of a sentence with a cue, any, one after an order; tuned on texts of their own."""
_CLOSED = re.compile(r"^</|(?:</[^>]+>|im_end\|>|eot_id\|>|\[/\w+\])$")
_COMMENT = re.compile(r"^<!--.*-->$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patterns:
    """`prompts/orders.yaml`, compiled."""

    sentence: re.Pattern[str]
    role: re.Pattern[str]
    heading: re.Pattern[str]
    cue: re.Pattern[str]
    end: re.Pattern[str]


def visible(text: str) -> tuple[str, str]:
    """Return `text` without characters that nobody sees, and what was written in them."""
    hidden = "".join(chr(ord(c) - 0xE0000) for run in _TAGGED.findall(text) for c in run)
    return _INVISIBLE.sub("", text), hidden


def orders(parts: Sequence[Piece], senses: Mapping[str, Sense] | None = None) -> tuple[bool, ...]:
    """Say of each piece whether it addresses the assistant; `senses` are those of the quotes.

    After a heading or a role tag, what follows up to an empty line belongs to it; after a forged
    end of the answer, all of it.
    """
    patterns = _patterns()
    found: list[bool] = []
    following = ended = near = False
    for piece in parts:
        if piece.gap.count("\n") > 1:
            following = near = False
        text = piece.text.strip()
        seen = _skeleton(text)
        ended = ended or bool(patterns.end.fullmatch(seen))
        is_mine = ended or following or is_order(text)
        if not is_mine and senses and piece.quote in senses and piece.kind != "block":
            is_mine = _is_near(senses[piece.quote].order, seen, near)
        found.append(is_mine)
        near = is_mine
        is_tag = piece.kind != "block" and patterns.role.match(unicodedata.normalize("NFKC", text))
        if is_tag or patterns.heading.fullmatch(seen):
            following = not _CLOSED.search(text)
    return tuple(found)


def _is_near(nearness: Nearness, seen: str, after_order: bool) -> bool:
    """Return whether a sentence is near enough to orders; cues and neighbours make less enough."""
    least = [_BARE]
    if _patterns().cue.search(seen):
        least.append(_CUED)
    if after_order:
        least.append(_NEIGHBOUR)
    return any(nearness.reaches(each) for each in least)


def is_order(text: str) -> bool:
    """Return whether one sentence or block addresses the assistant instead of the user."""
    if _COMMENT.match(text.strip()):
        return True
    patterns, seen = _patterns(), _skeleton(text)
    is_code = text.startswith(("```", "~~~"))
    if not is_code and patterns.role.search(unicodedata.normalize("NFKC", text)):
        return True
    # Letters that look like Latin ones may also be what they are.
    forms = {seen, " ".join(text.casefold().split())}
    if any(map(patterns.sentence.search, forms)) or patterns.heading.fullmatch(seen):
        return True
    return _encoded(text)


def _skeleton(text: str) -> str:
    """The text as a reader sees it: compatible forms, lookalike letters and gaps made plain."""
    plain = text.casefold()
    if not text.isascii():
        plain = unicodedata.normalize("NFKC", text)
        plain = "".join(c for c in plain if unicodedata.category(c) != "Cf").casefold()
        if not plain.isascii() and re.search(r"[a-z]", plain):
            plain = plain.translate(_LOOKALIKES)
    return " ".join(plain.replace("’", "'").split())


def _encoded(text: str) -> bool:
    for run in _ENCODED.findall(text):
        body = run.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            decoded = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            continue
        if _patterns().sentence.search(_skeleton(decoded)) or _patterns().role.search(decoded):
            return True
    return False


@cache
def _patterns() -> _Patterns:
    text = files(__package__).joinpath("prompts/orders.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)

    def compiled(key: str, flags: int = 0) -> re.Pattern[str]:
        # Dozens of patterns begin where a word begins: the other places are passed over at once.
        at_word = [pattern for pattern in data[key] if pattern.startswith(_AT_WORD)]
        anywhere = [pattern for pattern in data[key] if not pattern.startswith(_AT_WORD)]
        if at_word:
            anywhere.append(rf"{_AT_WORD}(?=\w)(?:{'|'.join(at_word)})")
        joined = "|".join(anywhere)
        for name, words in data["words"].items():
            joined = joined.replace(f"<{name}>", words)
        return re.compile(joined, flags)

    return _Patterns(
        sentence=compiled("sentences", re.IGNORECASE),
        role=compiled("roles"),
        heading=compiled("headings", re.IGNORECASE),
        cue=compiled("cues", re.IGNORECASE),
        end=compiled("ends", re.IGNORECASE),
    )
