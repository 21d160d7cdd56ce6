"""Turns become chunks: each turn is one, and a turn that is too long is cut at its borders.

Nothing is cut off: the pieces of a long turn, put together, are the turn. BudgetMem (arXiv
2602.06025, section 4) packs whole turns into chunks of 256 tokens and truncates those that are
longer. Single turns are found as well, with what is said around them as a signal of the ranking,
and three times as many of them fit into a memo.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

CountTokens = Callable[[str], int]
CountMany = Callable[[Sequence[str]], list[int]]
"""Counts the tokens of every text."""

USER = "user"
USER_TRUST = 1.0
AGENT_TRUST = 0.5

# From the coarsest border to the finest; each keeps its blanks with the text before it.
_BORDERS = tuple(
    re.compile(pattern)
    for pattern in (r"(?<=\n)(?:[ \t]*\n)+", r"(?<=\n)", r"(?<=[.!?;:])\s+", r"(?<=\s)(?=\S)")
)
_CHARS_PER_TOKEN = 8
_DAYS_REMEMBERED = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one writer said at one time. `trust` is 0..1: how far its words may be relied on.

    `step` is the step of the run that wrote it; None: it was given.
    """

    writer: str
    text: str
    created_at: datetime
    trust: float
    step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A turn, or a piece of one; `text` begins with its writer's name."""

    writer: str
    text: str
    created_at: datetime
    tokens: int
    trust: float
    step: str | None = None


def cut(turns: Sequence[Turn], *, chunk_tokens: int, count_many: CountMany) -> list[Chunk]:
    """Make a chunk of every turn, in their order, or some if it has more than `chunk_tokens`."""
    said = [turn for turn in turns if turn.text.strip()]
    texts = [f"{turn.writer}: {turn.text}" for turn in said]
    return [
        chunk
        for turn, text, tokens in zip(said, texts, count_many(texts), strict=True)
        for chunk in _pieces(turn, text, _least(text, tokens), chunk_tokens, count_many)
    ]


def dated(text: str, created_at: datetime) -> str:
    """Return `text` with its date in front, as it is embedded and indexed."""
    return f"{day(created_at)}\n{text}"


def day(instant: datetime) -> str:
    """Return the date as people write it: `8 May 2023`."""
    return _written(instant.date())


@lru_cache(_DAYS_REMEMBERED)
def _written(one: date) -> str:
    return f"{one.day} {one:%B %Y}"


def split(text: str, *, limit: int, count_tokens: CountTokens) -> list[str]:
    """Cut `text` at paragraphs, lines, sentences or words into pieces of at most `limit` tokens.

    The pieces joined are `text` again.
    """
    return list(_split(text, limit, _sized(count_tokens), 0))


def _sized(count_tokens: CountTokens) -> CountTokens:
    # A tokenizer may count an endless unknown word as one token; its length tells the truth.
    return lambda text: _least(text, count_tokens(text))


def _least(text: str, tokens: int) -> int:
    return max(tokens, len(text) // _CHARS_PER_TOKEN)


def _split(text: str, limit: int, size: CountTokens, border: int) -> Iterator[str]:
    if size(text) <= limit or len(text) < 2:
        yield text
        return
    if border == len(_BORDERS):
        half = len(text) // 2
        yield from _split(text[:half], limit, size, border)
        yield from _split(text[half:], limit, size, border)
        return
    held, room = "", limit
    for part in _parts(text, _BORDERS[border]):
        tokens = size(part)
        if held and tokens > room:
            yield held
            held, room = "", limit
        if tokens > limit:
            yield from _split(part, limit, size, border + 1)
        else:
            held, room = held + part, room - tokens
    if held:
        yield held


def _parts(text: str, border: re.Pattern[str]) -> Iterator[str]:
    start = 0
    for match in border.finditer(text):
        if match.end() > start:
            yield text[start : match.end()]
            start = match.end()
    if start < len(text):
        yield text[start:]


def _pieces(
    turn: Turn, text: str, tokens: int, chunk_tokens: int, count_many: CountMany
) -> Iterator[Chunk]:
    if tokens <= chunk_tokens:
        yield _chunk(turn, text, tokens)
        return
    size = _sized(lambda one: count_many([one])[0])
    name = f"{turn.writer}: "
    room = max(chunk_tokens - size(name), chunk_tokens // 2)
    for piece in _split(turn.text, room, size, 0):
        if piece.strip():
            yield _chunk(turn, name + piece, size(name + piece))


def _chunk(turn: Turn, text: str, tokens: int) -> Chunk:
    return Chunk(
        writer=turn.writer,
        text=text,
        created_at=turn.created_at,
        tokens=tokens,
        trust=turn.trust,
        step=turn.step,
    )
