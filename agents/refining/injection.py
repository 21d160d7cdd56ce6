"""Text of an agent that addresses the assistant instead of the user.

What an agent answers is data. A sentence in it that gives orders to whoever reads the answers (a
model, a program) is withheld: the model never sees it and the user is told that it was there. The
patterns look for the addressee and the matter (other answers, the output, the prompt) and not for
commanding tone alone, which every manual has.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from ..sentences import Piece

_INVISIBLE = re.compile(
    "[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
    "|(?<=[A-Za-z])[\u200c\u200d]+(?=[A-Za-z])"
)
_TAGGED = re.compile("[\U000e0020-\U000e007e]+")
_LOOKALIKES = str.maketrans(
    dict(zip("авеікмнорстухѕјοαικρυν", "abeikmhopctyxsjoaikpuv", strict=True))
)
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")

_COMMENT = re.compile(r"^<!--.*-->$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patterns:
    """`prompts/orders.yaml`, compiled."""

    sentence: re.Pattern[str]
    role: re.Pattern[str]
    heading: re.Pattern[str]


def visible(text: str) -> tuple[str, str]:
    """Return `text` without characters that nobody sees, and what was written in them."""
    hidden = "".join(chr(ord(c) - 0xE0000) for run in _TAGGED.findall(text) for c in run)
    return _INVISIBLE.sub("", text), hidden


def orders(parts: Sequence[Piece]) -> tuple[bool, ...]:
    """Say of each piece whether it addresses the assistant.

    After a heading or a lone role tag, what follows up to an empty line belongs to it.
    """
    patterns = _patterns()
    found: list[bool] = []
    following = False
    for piece in parts:
        if following and piece.gap.count("\n") > 1:
            following = False
        found.append(following or is_order(piece.text))
        text = piece.text.strip()
        if patterns.heading.fullmatch(_skeleton(text)) or patterns.role.fullmatch(text):
            following = not text.startswith("</")
    return tuple(found)


def is_order(text: str) -> bool:
    """Return whether one sentence or block addresses the assistant instead of the user."""
    if _COMMENT.match(text.strip()):
        return True
    patterns, seen = _patterns(), _skeleton(text)
    is_code = text.startswith(("```", "~~~"))
    if not is_code and patterns.role.search(unicodedata.normalize("NFKC", text)):
        return True
    return bool(patterns.heading.fullmatch(seen) or patterns.sentence.search(seen)) or _encoded(
        text
    )


def _skeleton(text: str) -> str:
    """The text as a reader sees it: compatible forms, lookalike letters and gaps made plain."""
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
        joined = "|".join(data[key])
        for name, words in data["words"].items():
            joined = joined.replace(f"<{name}>", words)
        return re.compile(joined, flags)

    return _Patterns(
        sentence=compiled("sentences", re.IGNORECASE),
        role=compiled("roles"),
        heading=compiled("headings", re.IGNORECASE),
    )
