"""entities: who and what passages name - people, places, products, titles, identifiers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from typing import Any, Literal, TypeAlias

from pydantic import Field

from ...errors import ConfigurationError
from ...values import ModuleSpec
from .asking import Answer, Question, cited
from .base import Outcome, Reading, Worked
from .words import REMEMBERED, STOP_WORDS, stems

Kind: TypeAlias = Literal["name", "quoted", "identifier"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Something with a name, the passages that name it, and what they say about it."""

    text: str
    kind: Kind
    chunk_ids: tuple[str, ...]
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entities:
    """The entities found, the most often named first."""

    entities: tuple[Entity, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The names, as a policy reads them."""
        return tuple(entity.text for entity in self.entities)

    def with_more(self, more: Entities) -> Entities:
        """Return these, and those of `more` that have other names."""
        known = {one.text.casefold() for one in self.entities}
        new = (one for one in more.entities if one.text.casefold() not in known)
        return Entities(entities=(*self.entities, *new))


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
        for text, kind, sure in _named(passage.text):
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
    return _ordered(entities)


@lru_cache(REMEMBERED)
def _named(text: str) -> tuple[tuple[str, Kind, bool], ...]:
    # The writers' names in front of the turns are known without looking.
    return tuple(_names(_LABEL.sub("", text)))


def _names(text: str) -> Iterator[tuple[str, Kind, bool]]:
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


@dataclass(frozen=True, slots=True)
class Recogniser:
    """Finds names with a spaCy pipeline, and quoted titles and identifiers by rules.

    `pipeline` is the name of one that is installed, such as `en_core_web_sm`.
    """

    pipeline: str

    def __call__(self, given: Reading) -> Entities:
        """Return the entities, the most often named first."""
        texts = [_LABEL.sub("", one.text) for one in given.passages]
        read = _pipeline(self.pipeline).pipe(texts, disable=_NOT_NEEDED)
        found = list(find_entities(given).entities)
        titles = [one for one in found if one.kind != "name"]
        named: dict[str, tuple[str, dict[str, None]]] = {}
        for passage, document in zip(given.passages, read, strict=True):
            for name in document.ents:
                if name.label_ not in _NO_NAMES:
                    places = named.setdefault(name.text.casefold(), (name.text, {}))[1]
                    places[passage.id] = None
        entities = [
            Entity(text=text, kind="name", chunk_ids=tuple(ids)) for text, ids in named.values()
        ]
        return _ordered([*titles, *entities])


def find_with_context(given: Reading) -> Entities:
    """Find what the rules find, and beside each name the sentence that says most about it.

    That is the shortest sentence with the name that shares words with the query, or else the first.
    """
    query = stems(given.query)
    texts = {one.id: _LABEL.sub("", one.text) for one in given.passages}
    return Entities(
        entities=tuple(
            replace(one, about=_about(one, texts, query)) for one in find_entities(given).entities
        )
    )


class _Named(Answer):
    name: str = Field(min_length=1, max_length=80)
    about: str = Field(max_length=160)
    excerpts: list[int] = Field(max_length=6)


class EntitiesAnswer(Answer):
    """What a model found."""

    found: list[_Named] = Field(max_length=6)


def _read(given: Reading, reply: EntitiesAnswer) -> Worked[Entities]:
    """Keep the names that stand in the passages they are said to be of."""
    kept: list[Entity] = []
    for one in reply.found:
        passages = cited(one.excerpts, given.passages)
        places = [p.id for p in passages if one.name.casefold() in p.text.casefold()]
        if places:
            kept.append(
                Entity(text=one.name, kind="name", chunk_ids=tuple(places), about=one.about)
            )
    left = len(reply.found) - len(kept)
    note = f"{left} of {len(reply.found)} entities stand in no excerpt: left out." if left else ""
    return Worked(found=Entities(entities=tuple(kept)), note=note)


def _ordered(found: Sequence[Entity]) -> Entities:
    return Entities(entities=tuple(sorted(found, key=lambda entity: -len(entity.chunk_ids))))


def _about(entity: Entity, texts: Mapping[str, str], query: frozenset[str]) -> str:
    sentences = [
        sentence
        for id_ in entity.chunk_ids
        for sentence in _SENTENCE.split(texts[id_])
        if entity.text in sentence
    ]
    if not sentences:
        return ""
    return min(sentences, key=lambda text: (-len(query & stems(text)), len(text)))


@lru_cache(maxsize=2)
def _pipeline(name: str) -> Any:
    """Load a spaCy pipeline, once.

    Raises:
        ConfigurationError: spaCy or the pipeline is not installed.
    """
    try:
        spacy = import_module("spacy")
        return spacy.load(name)
    except (ImportError, OSError) as error:
        raise ConfigurationError(
            f"The pipeline {name!r} that [memory] ner names can't be loaded: {error}. Install "
            "it with 'pip install callboard[ner]' and the pipeline's own package, or leave ner out."
        ) from error


_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_NOT_NEEDED = ("parser", "tagger", "attribute_ruler", "lemmatizer")
_NO_NAMES = frozenset({"DATE", "TIME", "CARDINAL", "ORDINAL", "PERCENT", "QUANTITY", "MONEY"})

SPEC = ModuleSpec(
    name="entities",
    description=(
        "Finds the people, places, organisations, products, titles and identifiers that the "
        "passages kept name, and what connects them. Pays when the query asks who or what, "
        "about somebody's relations, belongings or preferences, or needs facts about one name "
        "put together from several conversations."
    ),
)
RETURNS = Outcome[Entities]
ASKED: Question[Reading, EntitiesAnswer, Entities] = Question(
    name="entities",
    reply=EntitiesAnswer,
    passages=lambda given: given.passages,
    query=lambda given: given.query,
    read=_read,
)
