"""Answers cut into sentences, list items and blocks, each of them a verbatim piece of the text.

Whatever is kept, moved or quoted later is one of these pieces, so nothing is reworded. Words are
compared by their English stem; other languages lose only a little by that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import snowballstemmer  # type: ignore[import-untyped]

BULLET = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)]|#{1,6}|>)\s+")
_WORD = re.compile(r"[^\W\d_](?:[\w]|['’](?=\w))*")
_FENCE = re.compile(r"^\s*(```|~~~)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_END = re.compile(
    r"(?<![.!?…])[.!?…]+[\"'”’)\]]*(?=\s+[\"'“‘(\[<¿¡]?[^\Wa-zß-öø-ÿ_]|\s+(?:[`<*{-]|\[[a-z]+\])|\s*$)|[。！？]+|;(?=\s)"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Za-z]|Dr|Mrs?|Ms|Prof|St|No|Nr|vs|etc|approx|ca|Inc|Ltd|Co|Jr|Sr|Fig|Art|Abs|usw"
    r"|bzw)|\b[A-Za-z]\.[A-Za-z])\.$"
)
_IRREGULAR_VERBS = """
    pay paid, send sent, take took taken, make made, give gave given, go went gone, buy bought,
    sell sold, keep kept, hold held, find found, build built, write wrote written,
    begin began begun, come came, lose lost, meet met, run ran, say said, see saw seen,
    spend spent, tell told, win won, break broke broken, choose chose chosen, drive drove driven,
    fall fell fallen, grow grew grown, know knew known, lead led, rise rose risen,
    speak spoke spoken, stand stood, think thought, bring brought, draw drew drawn,
    eat ate eaten, feel felt, fly flew flown, show shown, teach taught
"""
_IRREGULAR = {
    form: verb for verb, *forms in map(str.split, _IRREGULAR_VERBS.split(",")) for form in forms
}
_STOP_WORDS = """
    a about above after all also always am an and any are as at back be because been before
    being below between both but by can could did do does doing done down during each either
    else even ever every few for from further get gets got had has have having he her here
    hers him his how i if in into is it its just let like may me might mine more most much
    must my no nor not now of off on once only or other our ours out over own per please same
    shall she should since so some such than that the their theirs them then there these they
    this those through to too under until up upon us very was we were what when where which
    while who whom why will with within without would yes yet you your yours i'm it's don't
    can't cannot won't isn't aren't doesn't currently usually roughly around approximately
    nearly almost exactly der die das den dem des ein eine einen einem einer und oder ist sind
    war nicht kein keine mit von zu zum zur im in auf für es er sie wir ihr ich sich auch nur
    bis nach vor bei aus wie was
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words of English and German that say nothing about the matter."""


PieceKind: TypeAlias = Literal["sentence", "item", "block"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A sentence, list item or block. `gap` is the white space that stood before it."""

    gap: str
    text: str
    kind: PieceKind = "sentence"

    @property
    def quote(self) -> str:
        """The text without the mark of a list item, on one line."""
        return " ".join(BULLET.sub("", self.text).split())


def pieces(text: str) -> tuple[Piece, ...]:
    """Cut `text`: a fenced block, a table or an HTML comment is one piece, else each sentence."""
    found: list[Piece] = []
    gap = ""
    for chunk, kind in _chunks(text):
        for part in [chunk] if kind == "block" else _split(chunk):
            body = part.strip()
            if not body:
                gap += part
                continue
            start = part.index(body)
            found.append(Piece(gap=gap + part[:start], text=body, kind=kind))
            gap = part[start + len(body) :]
            kind = "sentence" if kind == "item" else kind
    return tuple(found)


def join(kept: Iterable[Piece]) -> str:
    """Put pieces together as they stood."""
    return "".join(piece.gap + piece.text for piece in kept).strip()


def _chunks(text: str) -> list[tuple[str, PieceKind]]:
    """Return lines with their line breaks; lines that belong together as one block."""
    chunks: list[tuple[str, PieceKind]] = []
    fence = ""
    block: list[str] = []
    for line in _lines(text):
        mark = _FENCE.match(line)
        table = line.lstrip().startswith("|")
        if block and not fence and not table:
            chunks.append(("".join(block), "block"))
            block = []
        if fence or mark or table:
            block.append(line)
            closes = bool(fence) and mark is not None and mark[1] == fence
            if closes:
                fence = ""
                chunks.append(("".join(block), "block"))
                block = []
            elif mark and not fence:
                fence = mark[1]
        elif line.lstrip().startswith("<!--"):
            chunks.append((line, "block"))
        else:
            chunks.append((line, "item" if BULLET.match(line) else "sentence"))
    if block:
        chunks.append(("".join(block), "block"))
    return chunks


def _lines(text: str) -> list[str]:
    lines: list[str] = []
    position = 0
    for comment in _COMMENT.finditer(text):
        lines += text[position : comment.start()].splitlines(keepends=True)
        lines.append(comment[0])
        position = comment.end()
    return lines + text[position:].splitlines(keepends=True)


def _split(line: str) -> list[str]:
    mark = BULLET.match(line)
    start = position = mark.end() if mark else 0
    parts: list[str] = []
    begin = 0
    for end in _END.finditer(line, position):
        if end[0] == "." and _ABBREVIATION.search(line, start, end.end()):
            continue
        parts.append(line[begin : end.end()])
        begin = start = end.end()
    return [*parts, line[begin:]]


def words(text: str) -> list[str]:
    """Return the words of `text` in small letters."""
    return [word.casefold().replace("’", "'") for word in _WORD.findall(text)]


def stems(text: str) -> frozenset[str]:
    """Return the stems of the words that carry meaning."""
    return frozenset(stem(word) for word in words(text) if word not in STOP_WORDS)


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Return the English stem of a word in small letters."""
    plain = _IRREGULAR.get(word, word.removesuffix("'s"))
    # One stemmer per word that is new: it keeps state, and threads share this function.
    stemmed: str = snowballstemmer.stemmer("english").stemWord(plain)
    return stemmed


def coverage(wanted: frozenset[str], held: frozenset[str]) -> float:
    """Return the share of `wanted` that is in `held`, 0..1; nothing wanted is all of it."""
    return len(wanted & held) / len(wanted) if wanted else 1.0
