"""Conversations of our own making: two people, some months, and questions about what they said.

Data to train a budget policy with, and to measure where nothing else is at hand. It is drawn from
`data/diaries.yaml` by the number of the conversation, and easier than LoCoMo: every fact is said
once, in one turn.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from ...memory.chunks import day
from .conversation import Conversation, MemoryQuestion, Said

CONVERSATIONS = 8
_FIRST = datetime(2026, 1, 5, 18, 0, tzinfo=UTC)
_BETWEEN = timedelta(days=9)
_LIST = "list"
"""Asks for all of something: a question of several turns, if it was said more than once."""


def diaries() -> tuple[Conversation, ...]:
    """Return the conversations, always the same."""
    return tuple(_Diary(number).written() for number in range(CONVERSATIONS))


class _Diary:
    """Draws one conversation. No question has two answers: such a fact is drawn anew."""

    def __init__(self, number: int) -> None:
        self._name = f"diary-{number}"
        self._draw = random.Random(number)
        self._data = _data()
        self._turns: list[Said] = []
        self._answers: dict[str, list[tuple[str, str, str]]] = defaultdict(list)

    def written(self) -> Conversation:
        """Return the conversation."""
        pair = self._draw.sample(self._data["people"], 2)
        for session in range(self._data["sessions"]):
            self._session(session, pair)
        return Conversation(
            name=self._name, turns=tuple(self._turns), questions=tuple(self._questions())
        )

    def _session(self, session: int, pair: list[str]) -> None:
        began = _FIRST + session * _BETWEEN + timedelta(days=self._draw.randint(0, 3))
        data = self._data
        told = [*[True] * data["facts_of_a_session"], *[False] * data["chat_of_a_session"]]
        self._draw.shuffle(told)
        for place, is_fact in enumerate(told):
            who, other = pair[place % 2], pair[(place + 1) % 2]
            id_ = f"D{session + 1}:{place + 1}"
            if is_fact:
                text = self._fact(id_, who, began)
            else:
                text = self._draw.choice(data["chat"]).format(other=other)
            self._turns.append(
                Said(
                    id=id_,
                    session=str(session + 1),
                    speaker=who,
                    text=text[:1].upper() + text[1:],
                    said_at=began + timedelta(minutes=place),
                )
            )

    def _fact(self, id_: str, who: str, told_at: datetime) -> str:
        while True:
            fact, when = (
                self._draw.choice(self._data["facts"]),
                self._draw.choice(self._data["when"]),
            )
            values = {slot: self._draw.choice(all_) for slot, all_ in self._data["slots"].items()}
            meant = day(told_at - timedelta(days=when["days"]))
            values |= {"who": who, "when": when["say"], "day": meant}
            asked = list(_asked(fact, values))
            if not any(self._is_known(*one) for one in asked):
                break
        for category, question, answer in asked:
            self._answers[question].append((category, answer, id_))
        text: str = self._draw.choice(fact["said"])
        return text.format_map(values)

    def _is_known(self, category: str, question: str, answer: str) -> bool:
        known = self._answers.get(question, [])
        return any(category != _LIST or answer == one for _, one, _ in known)

    def _questions(self) -> Iterator[MemoryQuestion]:
        for number, (question, found) in enumerate(self._answers.items()):
            category = found[0][0]
            if category == _LIST:
                category = "multi-hop" if len(found) > 1 else "single-hop"
            yield MemoryQuestion(
                id=f"{self._name}-{number}",
                text=question,
                answer=", ".join(answer for _, answer, _ in found),
                category=category,
                evidence=tuple(id_ for _, _, id_ in found),
            )


def _asked(fact: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield category, question and answer of what can be asked about a fact."""
    for category in ("single-hop", "temporal", _LIST):
        if category in fact:
            question, answer = fact[category]
            yield category, question.format_map(values), answer.format_map(values)


@cache
def _data() -> dict[str, Any]:
    text = files("callboard.benchmarks").joinpath("data/diaries.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data
