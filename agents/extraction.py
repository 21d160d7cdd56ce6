"""The text of a file, whatever its form: Markdown, plain text, HTML or PDF."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import InvalidInput

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

_UNSEEN = ("script", "style", "noscript", "template", "svg", "head", "nav")
_BLOCKS = (
    *("address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "div"),
    *("dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4"),
    *("h5", "h6", "header", "hr", "li", "main", "ol", "p", "pre", "section", "summary", "table"),
    *("tr", "ul"),
)
_CELLS = ("td", "th")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a file under one heading; None: its headings stand in the text, as Markdown."""

    text: str
    heading: str | None = None
    form: Literal["markdown", "plain"] = "markdown"


def extract(name: str, content: bytes) -> tuple[Part, ...]:
    """Return the text of a file, by the ending of its name; PDF by its pages.

    Raises:
        InvalidInput: it is no UTF-8 text, no PDF that can be read, or a PDF without text.
    """
    ending = name.rsplit(".", 1)[-1].casefold()
    if ending == "pdf":
        return _pages(name, content)
    if ending in ("html", "htm", "xhtml"):
        return (Part(text=_visible(content)),)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"The document {name!r} can't be read as UTF-8 text: {error}. Markdown, text, HTML and "
            "PDF can be read."
        ) from error
    return (Part(text=text, form="plain" if ending == "txt" else "markdown"),)


def _pages(name: str, content: bytes) -> tuple[Part, ...]:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        pages = [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]
    except (PyPdfError, ValueError, KeyError, RecursionError) as error:
        raise InvalidInput(
            f"The document {name!r} can't be read as a PDF: {error}. If it has a password, save it "
            "without."
        ) from error
    found = tuple(
        Part(text=text, heading=f"page {number}", form="plain")
        for number, text in enumerate(pages, start=1)
        if text.strip()
    )
    if not found:
        raise InvalidInput(
            f"The document {name!r} holds no text; its pages may be pictures. Have them recognised "
            "(OCR), and add the text."
        )
    return found


def _visible(content: bytes) -> str:
    """Return what a browser shows, as Markdown with the headings marked."""
    from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        soup = BeautifulSoup(content, "html.parser")
    for unseen in soup.find_all(_UNSEEN):
        unseen.decompose()
    return "\n\n".join(_blocks(soup))


def _blocks(soup: BeautifulSoup) -> Iterator[str]:
    """Yield the texts that stand in one block each, in the order of the page."""
    from bs4.element import NavigableString

    here, held = None, ""
    for string in soup.find_all(string=True):
        if type(string) is not NavigableString:  # a comment, a doctype
            continue
        block = string.find_parent(_BLOCKS)
        if block is not here:
            yield from _block(here, held)
            here, held = block, ""
        cell = string.find_parent(_CELLS)
        held += f" {string} " if cell is not None else str(string)
    yield from _block(here, held)


def _block(block: object, text: str) -> Iterator[str]:
    name = getattr(block, "name", "")
    words = text if name == "pre" else " ".join(text.split())
    if not words.strip():
        return
    if name[:1] == "h" and name[1:].isdigit():
        yield f"{'#' * int(name[1:])} {words}"
    elif name == "li":
        yield f"- {words}"
    elif name == "pre":
        yield f"```\n{words.strip()}\n```"
    else:
        yield words
