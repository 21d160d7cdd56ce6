"""entities: who and what passages name - people, places, products, titles, identifiers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ...values import ModuleSpec
from .base import Module, Outcome, Passage, Reading, rules
from .words import STOP_WORDS

Kind: TypeAlias = Literal["name", "quoted", "identifier"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Something with a name, and the passages that name it."""

    text: str
    kind: Kind
    chunk_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entities:
    """The entities found, the most often named first."""

    entities: tuple[Entity, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The names, as a policy reads them."""
        return tuple(entity.text for entity in self.entities)


_QUOTED = re.compile(r"[\"“«]([^\"“”«»\n]{2,60})[\"”»]")
_IDENTIFIER = re.compile(
    r"""https?://[^\s<>"']+[^\s<>"'.,;:!?)]      # address of a page
      | [\w.+-]+@[\w-]+\.[\w.-]*\w               # of a person
      | \#\d+ | \b[A-Z]{2,}-?\d+[\w-]*\b         # ticket, order, model
      | \b\w+_\w+\b | \bv?\d+(?:\.\d+){2,}\b     # name in a program, version
    """,
    re.VERBOSE,
)
# Latin, Greek and Cyrillic letters; other scripts have no capitals to go by.
_CAPITAL = f"[{''.join(letter for letter in map(chr, range(0x530)) if letter.isupper())}]"
_WORD = rf"{_CAPITAL}[\w'’&.-]*\w"
_LINK = r"(?:of|the|de|van|von|der|la|and) "
_NAME = re.compile(rf"(?<![\w'’])(?:{_WORD})(?: (?:{_LINK})?(?:{_WORD}))*")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;\n>\"“(]\s*|[-–—*]\s+)$")
_LABEL = re.compile(r"^[^:\n]{1,80}: ", re.MULTILINE)


def find_entities(given: Reading) -> Entities:
    """Find quoted titles, identifiers and capitalised names.

    A capital at the start of a sentence proves nothing: one word there counts as a name only where
    it is written with a capital within a sentence too.
    """
    found: dict[str, tuple[str, Kind, dict[str, None]]] = {}
    doubtful: list[tuple[str, str]] = []
    for passage in given.passages:
        for text, kind, sure in _named(passage):
            key = text.casefold()
            if not sure:
                doubtful.append((key, passage.id))
            else:
                found.setdefault(key, (text, kind, {}))[2][passage.id] = None
    for key, chunk_id in doubtful:
        if key in found:
            found[key][2][chunk_id] = None
    entities = [
        Entity(text=text, kind=kind, chunk_ids=tuple(ids)) for text, kind, ids in found.values()
    ]
    return Entities(entities=tuple(sorted(entities, key=lambda entity: -len(entity.chunk_ids))))


def _named(passage: Passage) -> Iterator[tuple[str, Kind, bool]]:
    # The writers' names in front of the turns are known without looking.
    text = _LABEL.sub("", passage.text)
    for match in _QUOTED.finditer(text):
        yield match[1].strip(), "quoted", True
    for match in _IDENTIFIER.finditer(text):
        yield match[0], "identifier", True
    text = _IDENTIFIER.sub(" ", text)
    for match in _NAME.finditer(text):
        words = match[0].split()
        start = bool(_SENTENCE_START.search(text[max(0, match.start() - 4) : match.start()]))
        while words and words[0].casefold() in STOP_WORDS:
            words, start = words[1:], False
        if words and not (len(words) == 1 and words[0].casefold() in STOP_WORDS):
            yield " ".join(words).rstrip("."), "name", not start or len(words) > 1


ENTITIES: Module[Reading, Entities] = Module(
    spec=ModuleSpec(
        name="entities",
        description=(
            "Finds the people, places, organisations, products, titles and identifiers that the "
            "passages kept name, and what connects them. Pays when the query asks who or what, "
            "about somebody's relations, belongings or preferences, or needs facts about one name "
            "put together from several conversations."
        ),
    ),
    returns=Outcome[Entities],
    tiers={"low": rules(find_entities)},
)
