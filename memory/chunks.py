"""Turns become chunks: whole turns packed together, a turn that is too long cut at its borders.

Nothing is cut off: the pieces of a long turn, put together, are the turn. Words of different trust
never share a chunk, so that what an agent said can't pass for what the user said.

Source: BudgetMem, arXiv 2602.06025, section 4 (256-token chunks of whole turns); there an over-long
turn is truncated, here it is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

CountTokens = Callable[[str], int]

USER = "user"
USER_TRUST = 1.0
AGENT_TRUST = 0.5

# From the coarsest border to the finest; each keeps its blanks with the text before it.
_BORDERS = tuple(
    re.compile(pattern)
    for pattern in (r"(?<=\n)(?:[ \t]*\n)+", r"(?<=\n)", r"(?<=[.!?;:])\s+", r"(?<=\s)(?=\S)")
)
_CHARS_PER_TOKEN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one writer said at one time. `trust` is 0..1: how far its words may be relied on."""

    writer: str
    text: str
    created_at: datetime
    trust: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some turns together; every one stands in `text` after its writer's name."""

    writer: str
    text: str
    created_at: datetime
    tokens: int
    trust: float


def pack(turns: Sequence[Turn], *, chunk_tokens: int, count_tokens: CountTokens) -> list[Chunk]:
    """Pack whole turns greedily into chunks of at most `chunk_tokens`, in their order."""
    chunks: list[Chunk] = []
    for _, alike in groupby((turn for turn in turns if turn.text.strip()), lambda t: t.trust):
        lines = [line for turn in alike for line in _lines(turn, chunk_tokens, count_tokens)]
        chunks += _greedy(lines, chunk_tokens)
    return chunks


def dated(text: str, created_at: datetime) -> str:
    """Return `text` with its date in front, as it is embedded and indexed."""
    return f"{day(created_at)}\n{text}"


def day(instant: datetime) -> str:
    """Return the date as people write it: `8 May 2023`."""
    return f"{instant.day} {instant:%B %Y}"


def split(text: str, *, limit: int, count_tokens: CountTokens) -> list[str]:
    """Cut `text` at paragraphs, lines, sentences or words into pieces of at most `limit` tokens.

    The pieces joined are `text` again.
    """
    return list(_split(text, limit, _sized(count_tokens), 0))


def _sized(count_tokens: CountTokens) -> CountTokens:
    # A tokenizer may count an endless unknown word as one token; its length tells the truth.
    return lambda text: max(count_tokens(text), len(text) // _CHARS_PER_TOKEN)


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


@dataclass(frozen=True, slots=True)
class _Line:
    turn: Turn
    text: str
    tokens: int


def _lines(turn: Turn, chunk_tokens: int, count_tokens: CountTokens) -> Iterator[_Line]:
    size = _sized(count_tokens)
    name = f"{turn.writer}: "
    room = max(chunk_tokens - size(name), chunk_tokens // 2)
    for piece in _split(turn.text, room, size, 0):
        if piece.strip():
            yield _Line(turn, name + piece, size(name + piece))


def _greedy(lines: Sequence[_Line], chunk_tokens: int) -> Iterator[Chunk]:
    held: list[_Line] = []
    for line in lines:
        if held and sum(one.tokens for one in held) + line.tokens > chunk_tokens:
            yield _chunk(held)
            held = []
        held.append(line)
    if held:
        yield _chunk(held)


def _chunk(lines: Sequence[_Line]) -> Chunk:
    return Chunk(
        writer=", ".join(dict.fromkeys(line.turn.writer for line in lines)),
        text="\n".join(line.text for line in lines),
        created_at=lines[0].turn.created_at,
        tokens=sum(line.tokens for line in lines),
        trust=lines[0].turn.trust,
    )
