"""summary by a model: short notes on the passages, each with its sources, above the quotes.

A note says nothing that its sources do not: one with a number or a name that stands in none of
them, nor in their dates, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import Field

from ...errors import BadModelOutput
from ..chunks import day
from .asking import Answer, Question, cited
from .base import Passage, Worked
from .summary import Note, Summary, Summing, quote_best_fit
from .summary import quote as memo_of
from .words import STOP_WORDS

_CHECKED = re.compile(r"\d[\d.,:]*\d|\d|(?<![.!?] )(?<!^)\b[A-Z][\w'’-]+")


class _Line(Answer):
    text: str = Field(min_length=1, max_length=240)
    excerpts: list[int] = Field(max_length=6)


class SummaryAnswer(Answer):
    """What a model noted."""

    lines: list[_Line] = Field(max_length=5)


def _read(given: Summing, reply: SummaryAnswer) -> Worked[Summary]:
    """Make the memo of the notes that hold, and of quotes.

    Raises:
        BadModelOutput: no note holds.
    """
    notes: list[Note] = []
    for line in reply.lines:
        sources = cited(line.excerpts, given.passages)
        text = " ".join(line.text.split())
        if sources and supported(text, sources, given):
            notes.append(Note(text=text, chunk_ids=tuple(one.id for one in sources)))
    left = len(reply.lines) - len(notes)
    if reply.lines and not notes:
        raise BadModelOutput(
            "The model was asked for summary, and none of its lines is borne out by the excerpts "
            "that it names."
        )
    order = quote_best_fit(given)
    first = [one for one in given.passages if one.id in order.chunk_ids]
    rest = [one for one in given.passages if one.id not in order.chunk_ids]
    note = f"{left} of {len(reply.lines)} notes are not borne out: left out." if left else ""
    return Worked(found=memo_of(given, (*first, *rest), _within(notes, given)), note=note)


def supported(text: str, sources: Sequence[Passage], given: Summing) -> bool:
    """Return whether the numbers and names of `text` stand in its sources or their dates."""
    ids = {one.id for one in sources}
    known = " ".join(
        (
            *(one.text for one in sources),
            *(day(one.created_at) for one in sources),
            *(f"{m.meaning} {m.value}" for m in given.times.mentions if m.chunk_id in ids),
        )
    ).casefold()
    words = (match[0].removesuffix("'s").casefold() for match in _CHECKED.finditer(text))
    return all(word in known for word in words if word not in STOP_WORDS)


def _within(notes: Sequence[Note], given: Summing) -> list[Note]:
    """Return the first notes that take no more than half of the memo."""
    kept, room = [], given.memo_tokens // 2
    counts = given.count_many([note.text for note in notes])
    for note, tokens in zip(notes, counts, strict=True):
        room -= tokens
        if room >= 0:
            kept.append(note)
    return kept


def _findings(given: Summing) -> str:
    found = (
        ("Names", [one.text for one in given.entities.entities][:8]),
        ("Times", list(given.times.texts)[:8]),
        ("Topics", list(given.topics.texts)[:8]),
    )
    lines = (f"{name}: {'; '.join(values)}" for name, values in found if values)
    return "\n".join(" ".join(line.replace("<", "").replace(">", "").split()) for line in lines)


ASKED: Question[Summing, SummaryAnswer, Summary] = Question(
    name="summary",
    reply=SummaryAnswer,
    passages=lambda given: given.passages,
    query=lambda given: given.query,
    read=_read,
    beside=_findings,
)
