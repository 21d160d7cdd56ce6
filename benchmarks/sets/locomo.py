"""LoCoMo: long conversations of two people, and questions with the turns that answer them."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .conversation import Conversation, MemoryQuestion, Said
from .files import read_lines

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop"}
"""The fifth category of LoCoMo asks for what was never said; it has no answer and is left out."""

_ID = re.compile(r"D(\d+):0*(\d+)")


def locomo(data: Path) -> tuple[Conversation, ...]:
    """LoCoMo (arXiv 2402.17753), conversations 0 to 7, without the fifth category.

    What a shared image shows stands after the words of its turn, as in the paper's own runs.
    """
    folder = data / "locomo"
    turns: dict[str, list[Said]] = defaultdict(list)
    for row in read_lines(folder, "turns"):
        turns[row["sample_id"]].append(_said(row))
    questions: dict[str, list[MemoryQuestion]] = defaultdict(list)
    for row in read_lines(folder, "qa"):
        if row["category"] in CATEGORIES:
            known = {turn.id for turn in turns[row["sample_id"]]}
            questions[row["sample_id"]].append(_question(row, known))
    names = [row["sample_id"] for row in read_lines(folder, "conversations")]
    return tuple(
        Conversation(name=name, turns=tuple(turns[name]), questions=tuple(questions[name]))
        for name in names
    )


def _said(row: dict[str, Any]) -> Said:
    caption = row.get("image_caption")
    text = f"{row['text']} [shares {caption}]" if caption else str(row["text"])
    return Said(
        id=_plain_id(row["dia_id"]),
        session=f"{row['session']}",
        speaker=row["speaker"],
        text=text,
        said_at=datetime.strptime(row["date"], "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC),
    )


def _question(row: dict[str, Any], known: set[str]) -> MemoryQuestion:
    # Some rows name several turns in one string, or one that does not exist.
    named = [f"D{one}:{two}" for text in row["evidence"] for one, two in _ID.findall(text)]
    answer = str(row["answer"])
    return MemoryQuestion(
        id=row["qid"],
        text=row["question"],
        answer=answer.split(";")[0].strip() if row["category"] == 3 else answer,
        category=CATEGORIES[row["category"]],
        evidence=tuple(dict.fromkeys(turn for turn in named if turn in known)),
    )


def _plain_id(text: str) -> str:
    match = _ID.fullmatch(text)
    return f"D{match[1]}:{match[2]}" if match else text
