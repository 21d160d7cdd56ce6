"""What a text states, found by its form alone: quantities, names, links, quotations, code.

Two texts are compared by the keys of their facts. `Facts.missing` and `Facts.invented` are what the
refiner's promise rests on: no model takes part in it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ..sentences import BULLET, STOP_WORDS, Piece, pieces, stems, words
from .quantities import quantities

FactKind = Literal["quantity", "identifier", "name", "link", "quote"]

_REST = r"[^\s<>\"'`)\]]"
# Each begins where a word begins, or long texts without any link would take quadratic time.
_LINK = re.compile(
    rf"(?<!\w)(?:https?://|www\.){_REST}+"
    r"|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    rf"|(?<![\w.-])[\w-]+(?:\.[\w-]+)*\.[a-z]{{2,}}/{_REST}*",
    re.IGNORECASE,
)
_CODE = re.compile(r"`([^`\n]+)`")
_QUOTE = re.compile(
    r"\"([^\"\n]{2,200})\"|[“„]([^”“\n]{2,200})[”“]|«([^»\n]{2,200})»|‘([^’\n]{2,200})’"
)
_TOKEN = re.compile(r"(?<!\w)[A-Za-z_]\w*(?:[-./]\w+)*")
_MARKED = re.compile(r"[/@]|www\.", re.IGNORECASE)
"""What stands in every link."""
_NUMBERED = re.compile(r"[\d_A-Z](?:(?<=_)|(?<=[^\W\d]\d)|(?<=[^\W\d][-./]\d)|(?<=[a-z][A-Z]))")
"""What stands in every identifier."""
_IDENTIFYING = re.compile(r"[\d_]|[a-z][A-Z]")
_CAPITAL = r"[^\W\d_a-zß-öø-ÿ][\w’'&]*(?:-[\w’']+)*"
_NAME = re.compile(
    rf"\b{_CAPITAL}(?:(?:[^\S\n](?:of|van|von|de|da|di|del|der|la|le|y|&))*[^\S\n]{_CAPITAL})*"
)
_RUN = re.compile(r"[^\W_]+")
_OPENING = re.compile(r"^$|[:;|>*(\[“„\"‘]$")


@dataclass(frozen=True, slots=True)
class Fact:
    """Something a text states: `key` is its form for comparing, `text` how it is written."""

    kind: FactKind
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of a text, and all that the text supports."""

    stated: tuple[Fact, ...]
    held: frozenset[str]
    words: frozenset[str]
    stems: frozenset[str]
    plain: str

    def missing(self, other: Facts) -> tuple[Fact, ...]:
        """Return what `other` states and this text does not hold."""
        return tuple(fact for fact in other.stated if not self.holds(fact))

    def holds(self, fact: Fact) -> bool:
        """Return whether this text states `fact`, in whatever writing."""
        written = fact.kind in ("name", "quote") and f" {fact.key} " in self.plain
        return written or fact.key in self.held


def facts_of(text: str | Iterable[Piece]) -> Facts:
    """Return the facts of a text, piece by piece, so that none reaches over two sentences."""
    return together(map(_facts, pieces(text) if isinstance(text, str) else text))


def together(parts: Iterable[Facts]) -> Facts:
    """Return the facts of a text whose pieces have the facts `parts`."""
    told = tuple(parts)
    return Facts(
        tuple(dict.fromkeys(fact for part in told for fact in part.stated)),
        frozenset[str]().union(*(part.held for part in told)),
        frozenset[str]().union(*(part.words for part in told)),
        frozenset[str]().union(*(part.stems for part in told)),
        f" {' '.join(filter(None, (part.plain.strip() for part in told)))} ",
    )


def _facts(piece: Piece) -> Facts:
    whole = text = unicodedata.normalize("NFKC", piece.text)
    found = [Fact("link", _key(link), link) for link in _links(text)]
    text = _without_links(text)
    if piece.kind != "block":
        for match in (*_CODE.finditer(text), *_QUOTE.finditer(text)):
            written = next(group for group in match.groups() if group).strip()
            found.append(Fact("quote", _flat(written).strip(), written))
    found += [Fact("identifier", _key(name), name) for name in _identifiers(text)]
    held = {fact.key for fact in found}
    # "Error 204" is supported by E-204, not the other way round.
    held.update(
        quantity.key
        for fact in found
        if fact.kind == "identifier"
        for quantity in quantities(" ".join(re.findall(r"\d+", fact.text)))
    )
    text = _without_identifiers(text)
    for quantity in quantities(text):
        held.update((quantity.key, *quantity.weaker))
        if quantity.required:
            found.append(Fact("quantity", quantity.key, quantity.text))
        text = f"{text[: quantity.start]}{'.' * len(quantity.text)}{text[quantity.end :]}"
    if piece.kind != "block":
        found += _names(BULLET.sub(_blank, text))
    return Facts(
        tuple(dict.fromkeys(fact for fact in found if fact.key)),
        frozenset(held),
        frozenset(words(whole)),
        stems(whole),
        _flat(whole),
    )


def _links(text: str) -> list[str]:
    return [match[0] for match in _LINK.finditer(text)] if _MARKED.search(text) else []


def _identifiers(text: str) -> list[str]:
    if not _NUMBERED.search(text):
        return []
    return [match[0] for match in _TOKEN.finditer(text) if _IDENTIFYING.search(match[0])]


def _names(text: str) -> list[Fact]:
    """Names: capitals within a sentence; at its start only two of them or with two capitals."""
    names = []
    for match in _NAME.finditer(text):
        span = match[0]
        while len(rest := span.split(maxsplit=1)) > 1 and rest[0].casefold() in STOP_WORDS:
            span = rest[1]
        opens = span == match[0] and bool(_OPENING.search(text[: match.start()].rstrip()[-2:]))
        striking = " " in span or sum(letter.isupper() for letter in span) > 1
        if span.casefold() in STOP_WORDS or len(span) < 2 or (opens and not striking):
            continue
        names.append(Fact("name", _flat(span).strip(), span))
    return names


def masked(text: str) -> str:
    """Return `text` with links, code and identifiers blanked: what is left may be counted."""
    return _without_identifiers(_CODE.sub(_blank, _without_links(text)))


def _without_links(text: str) -> str:
    return _LINK.sub(_blank, text) if _MARKED.search(text) else text


def _without_identifiers(text: str) -> str:
    return _TOKEN.sub(_blank_identifier, text) if _NUMBERED.search(text) else text


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _blank_identifier(match: re.Match[str]) -> str:
    return _blank(match) if _IDENTIFYING.search(match[0]) else match[0]


def _key(text: str) -> str:
    return text.casefold().rstrip(".,;:!?/")


def _flat(text: str) -> str:
    """The words and numbers of a text in small letters between single spaces."""
    return f" {' '.join(_RUN.findall(text.casefold()))} "
