"""Text that people and agents wrote, made safe to show as Markdown.

Streamlit shows HTML in Markdown as text. What is left to see to: a dollar sign begins a formula, a
colon a coloured word or an icon, and an image would be fetched from wherever its address points:
so a text that an agent was tricked into could tell someone that it is read.
"""

from __future__ import annotations

import re

from ..views import plain

_CODE = re.compile(r"(```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]*`)", re.DOTALL)
_SPECIAL = re.compile(r"(?<!\\)\$|!(?=\[)|(?<![\w\\]):(?=[a-z-]+[\[(:/_a-z0-9])")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~$:@&])")


def prose(text: str) -> str:
    """Return Markdown that shows `text` with its headings, lists and code, and fetches nothing."""
    pieces = _CODE.split(plain(text))
    return "".join(
        piece if number % 2 else _SPECIAL.sub(lambda found: "\\" + found.group(), piece)
        for number, piece in enumerate(pieces)
    )


def literal(text: str, limit: int | None = None) -> str:
    """Return Markdown that shows `text` on one line as it stands, cut to `limit` characters."""
    line = " ".join(plain(text).split())
    if limit is not None and len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return _MARKUP.sub(r"\\\1", line)
