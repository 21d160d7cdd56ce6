"""A long conversation of two people, and questions with the turns that answer them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One turn of a conversation; `id` is unique in it."""

    id: str
    session: str
    speaker: str
    text: str
    said_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryQuestion:
    """A question about a conversation, its answer, and the ids of the turns that tell it."""

    id: str
    text: str
    answer: str
    category: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What was said, in its order, and what is asked about it."""

    name: str
    turns: tuple[Said, ...]
    questions: tuple[MemoryQuestion, ...]
