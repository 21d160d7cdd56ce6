"""The files of a documents agent, and the passages that they are cut into.

A passage is what stands together under one heading, about as long as the encoder can read. Its
text is cut out of the file (of PDF and HTML, out of its text) and never changed, so that what is
quoted stands there word by word.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import accumulate, groupby
from pathlib import Path
from typing import TypeAlias

from ..errors import InvalidInput
from .extraction import Part, extract

MAX_BYTES = 10_000_000
PASSAGE_CHARS = 900
"""About 200 tokens; MiniLM reads 256."""

_PACKAGE = re.compile(r"([A-Za-z_]\w+(?:\.\w+)*):(?![\\/])(.+)")
"""`package:relative/path`; one letter before the colon is a drive."""
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_PARAGRAPH = re.compile(r"(?:[^\n]*\S[^\n]*(?:\n|\Z))+")
_SENTENCE_END = re.compile(
    r"(?<!\bDr)(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bSt)(?<!\bNo)(?<!e\.g)(?<!i\.e)"
    r"[.!?][\"')\]*_]*(\s+)(?=[\"'(\[*_]*[^\W_a-z])"  # what follows begins with no small letter
    r"|(\n)(?=[ \t]*(?:[-*+|>]|\d{1,3}[.)])[ \t])"  # an item of a list, a row of a table
    r"|(\n[ \t]*\n\s*)"
)

_Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of a document, word by word, and the headings above it, outermost first."""

    file: str
    headings: tuple[str, ...]
    text: str

    @property
    def source(self) -> str:
        """Where it stands: `file#heading`."""
        return f"{self.file}#{self.headings[-1]}" if self.headings else self.file

    @property
    def searchable(self) -> str:
        """The text below its headings: what is indexed."""
        return "\n".join((*self.headings, self.text))


def below(folder: Path, documents: Sequence[str]) -> tuple[str, ...]:
    """Return `documents` with relative paths below `folder`, so that any process finds them."""
    return tuple(
        name if _PACKAGE.fullmatch(name) else os.path.join(folder, os.path.expanduser(name))
        for name in documents
    )


def find_documents(documents: Sequence[str]) -> dict[str, Path]:
    """Return the files that paths, globs and `package:path` name, by a short name for each.

    The short name is the path below the folder that holds all of them.

    Raises:
        InvalidInput: nothing is there, or it is no file.
    """
    paths = [path for name in documents for path in _files(name)]
    folder = os.path.commonpath([path.parent for path in paths]) if paths else ""
    return {path.relative_to(folder).as_posix(): path for path in paths}


def read_passages(documents: Sequence[str]) -> tuple[Passage, ...]:
    """Read the files that `documents` name and cut them into passages.

    Raises:
        InvalidInput: a file is missing, too large, empty, or can't be read.
    """
    passages: list[Passage] = []
    for name, file in find_documents(documents).items():
        passages += passages_of(name, read_file(name, file))
    if not passages:
        raise InvalidInput(f"The documents {', '.join(documents)} hold no text.")
    return tuple(passages)


def read_file(name: str, file: Path) -> bytes:
    """Return what a file holds; of one that is too large, enough for that to be seen.

    Raises:
        InvalidInput: it can't be read.
    """
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"The document {name!r} can't be read: {error}.") from error


def passages_of(file: str, content: bytes) -> list[Passage]:
    """Cut what a file holds into passages; the ending of its name says what it is.

    Raises:
        InvalidInput: it is too large, or can't be read.
    """
    if len(content) > MAX_BYTES:
        raise InvalidInput(f"The document {file!r} is larger than {MAX_BYTES:,} bytes. Split it.")
    return [passage for part in extract(file, content) for passage in _split(file, part)]


def _split(file: str, part: Part) -> list[Passage]:
    text = part.text.replace("\r\n", "\n").replace("\r", "\n")
    blocks = _plain_blocks(text) if part.form == "plain" else _markdown_blocks(text)
    above = () if part.heading is None else (part.heading,)
    return [
        Passage(file=file, headings=(*above, *headings), text=text[start:end].strip())
        for headings, spans in groupby(blocks, key=lambda block: block[0])
        for start, end in _together(text, [span for _, span in spans])
    ]


def sentences(text: str) -> list[str]:
    """Cut `text` into its sentences and items, each word by word as it stands there."""
    return [text[start:end].strip() for start, end in _sentence_spans(text, (0, len(text)))]


def _markdown_blocks(text: str) -> Iterator[tuple[tuple[str, ...], _Span]]:
    """Yield the headings above each block of Markdown, and where the block stands."""
    from markdown_it import MarkdownIt

    # Blanked, not removed: the places of all that follows stay what they are.
    body = _FRONT_MATTER.sub(lambda match: "\n" * match[0].count("\n"), text)
    starts = [0, *accumulate(len(line) for line in text.splitlines(keepends=True))]
    above: list[tuple[int, str]] = []
    tokens = MarkdownIt("commonmark").parse(body)
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            level = int(token.tag[1:])
            above = [(other, title) for other, title in above if other < level]
            above.append((level, tokens[number + 1].content.strip()))
        elif token.level == 0 and token.map and not token.content.startswith("<!--"):
            yield tuple(title for _, title in above), (starts[token.map[0]], starts[token.map[1]])


def _plain_blocks(text: str) -> Iterator[tuple[tuple[str, ...], _Span]]:
    for match in _PARAGRAPH.finditer(text):
        yield (), match.span()


def _together(text: str, spans: Sequence[_Span]) -> Iterator[_Span]:
    """Join neighbours, and cut what is too long, to spans of at most `PASSAGE_CHARS`."""
    begin, end = spans[0][0], spans[0][0]
    for piece in (piece for span in spans for piece in _pieces(text, span)):
        if piece[1] - begin > PASSAGE_CHARS and end > begin:
            yield begin, end
            begin = piece[0]
        end = piece[1]
    yield begin, end


def _pieces(text: str, span: _Span) -> Iterator[_Span]:
    if span[1] - span[0] <= PASSAGE_CHARS:
        yield span
        return
    for start, end in _sentence_spans(text, span):
        while end - start > PASSAGE_CHARS:
            cut = text.rfind(" ", start + 1, start + PASSAGE_CHARS) + 1 or start + PASSAGE_CHARS
            yield start, cut
            start = cut
        yield start, end


def _sentence_spans(text: str, span: _Span) -> Iterator[_Span]:
    start, end = span
    for match in _SENTENCE_END.finditer(text, start, end):
        gap = match.span(match.lastindex or 0)
        if any(char.isalpha() for char in text[start : gap[0]]):  # "1." alone is no sentence
            yield start, gap[0]
            start = gap[1]
    if text[start:end].strip():
        yield start, end


def _files(name: str) -> list[Path]:
    match = _PACKAGE.fullmatch(name)
    place = f"{glob.escape(str(_folder(match[1])))}/{match[2]}" if match else name
    paths = [Path(name)] if not match and os.path.exists(name) else _glob(place)
    if not paths:
        raise InvalidInput(f"There is no document {name!r}. Mend the path, or add the file.")
    for path in paths:
        if not path.is_file():
            raise InvalidInput(f"The document {name!r} is a folder. Name files: '{name}/**/*.md'.")
    return [path.absolute() for path in paths]


def _glob(pattern: str) -> list[Path]:
    found = [Path(path) for path in sorted(glob.glob(pattern, recursive=True))]
    return [path for path in found if path.is_file()] if glob.has_magic(pattern) else found


def _folder(package: str) -> Path:
    try:
        folder = files(package)
    except (ModuleNotFoundError, TypeError) as error:
        raise InvalidInput(
            f"There is no package {package!r}. Install it, or mend the name."
        ) from error
    if not isinstance(folder, Path):
        raise InvalidInput(f"The package {package!r} does not lie on the disk as one folder.")
    return folder
