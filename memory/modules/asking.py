"""A module's work done by a model: what it is shown, how it is to think, and how it answers.

The passages stand first in the user's message and what a module wants last, so that a server's
prefix cache reads them once for all modules of a query. They are data: numbered by us, with every
line of theirs behind a mark, and never in a system message.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Generic, Literal, Protocol, Self, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ...errors import BadModelOutput
from ...models.chat import ChatRequest, Message
from ...models.journal import Journal
from ..chunks import CountMany, day
from .base import Passage, Work, Worked

In = TypeVar("In")
Out = TypeVar("Out")
Reply = TypeVar("Reply", bound="Answer")

Thinking: TypeAlias = Literal["direct", "steps", "plan"]
"""Answer at once; think step by step first; plan, act and reflect. Source: BudgetMem, arXiv
2602.06025, section 3.2 (reasoning tiering)."""

Price: TypeAlias = Callable[[str, int, int], Decimal | None]
"""Returns US dollars for a model's name, input and output tokens; None if unknown."""


def unpriced(model: str, input_tokens: int, output_tokens: int) -> Decimal | None:
    """Return None: nothing is known of prices."""
    return None


ANSWER_TOKENS: Mapping[Thinking, int] = {"direct": 200, "steps": 280, "plan": 360}
"""What a model may write, thoughts included."""
MOST_PASSAGES = 8
"""Passages that a model is shown, the most relevant ones; the rest are left to the rules."""
_THOUGHT_CHARS = 160


class Answer(BaseModel):
    """What every answer is: checked, and refused where it has anything else."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Model:
    """The model that does a tier's work, and how it is to think."""

    name: str
    thinking: Thinking
    price: Price
    count_many: CountMany


@dataclass(frozen=True, slots=True)
class Question(Generic[In, Reply, Out]):
    """What a module asks a model.

    `name` is that of its prompt, `reply` the form of the answer; `beside` returns what is shown
    beside the passages, and `read` makes the finding of the answer.
    """

    name: str
    reply: type[Reply]
    passages: Callable[[In], Sequence[Passage]]
    query: Callable[[In], str]
    read: Callable[[In, Reply], Worked[Out]]
    beside: Callable[[In], str] = lambda given: ""


@dataclass(frozen=True, slots=True)
class Asked(Generic[In, Reply, Out]):
    """A way that asks a model."""

    question: Question[In, Reply, Out]
    model: Model

    async def run(self, given: In, journal: Journal) -> Worked[Out]:
        """Ask, check the answer, and return what was found.

        Raises:
            BadModelOutput: the answer is not of the form that was asked for.
            CallboardError: the call failed.
        """
        key = f"{self.question.name} {self.model.name} {self.model.thinking}"
        reply = await journal.ask(self.model.name, self._request(given), key=key)
        return self.question.read(given, _checked(self.question, reply.text))

    def most_usd(self, given: In) -> Decimal | None:
        """Return the price of the prompt, by the encoder's count, and of the longest answer."""
        request = self._request(given)
        read = sum(self.model.count_many([message.content for message in request.messages]))
        return self.model.price(self.model.name, read, request.max_tokens)

    def _request(self, given: In) -> ChatRequest:
        question, thinking = self.question, self.model.thinking
        prompt = _prompts()
        passages = question.passages(given)[:MOST_PASSAGES]
        user = prompt["user"].format(
            passages=shown(passages),
            query=quoted(question.query(given)),
            beside=_findings(question.beside(given)),
            task=prompt["tasks"][question.name].strip(),
            thinking=prompt["thinking"][thinking].strip(),
        )
        return ChatRequest(
            messages=(
                Message(role="system", content=prompt["system"].strip()),
                Message(role="user", content=user.strip()),
            ),
            max_tokens=ANSWER_TOKENS[thinking],
            json_schema=_schema(question.reply, thinking),
        )


class Finding(Protocol):
    """What a module found, to which more can be added."""

    def with_more(self, more: Self) -> Self:
        """Return these, and those of `more` that are not among them."""


Found = TypeVar("Found", bound=Finding)


@dataclass(frozen=True, slots=True)
class AskedBeside(Generic[In, Found]):
    """Asks a model, and keeps what rules find beside it: a model reads the best passages only."""

    asked: Work[In, Found]
    rules: Work[In, Found]

    async def run(self, given: In, journal: Journal) -> Worked[Found]:
        """Return what the model found, and what the rules did besides. Raises as asking does."""
        worked = await self.asked.run(given, journal)
        ruled = await self.rules.run(given, journal)
        return replace(worked, found=worked.found.with_more(ruled.found))

    def most_usd(self, given: In) -> Decimal | None:
        """Return the price of asking."""
        return self.asked.most_usd(given)


def shown(passages: Sequence[Passage]) -> str:
    """Return the passages as a model reads them: numbered, dated, every line behind a mark."""
    return "\n".join(
        f"[{number}] {day(one.created_at)} {one.by}{quoted(one.text)}"
        for number, one in enumerate(passages, start=1)
    )


def _findings(text: str) -> str:
    return f"<findings>\n{text}\n</findings>" if text else ""


def quoted(text: str) -> str:
    """Return data so that no line of it can pass for a line of ours, nor close our tags."""
    lines = (line for line in text.replace("<", "‹").replace(">", "›").splitlines() if line.strip())
    return "\n| ".join(lines)


def cited(numbers: Sequence[int], passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """Return the passages of these numbers, without those that do not exist."""
    most = min(len(passages), MOST_PASSAGES)
    return tuple(passages[n - 1] for n in dict.fromkeys(numbers) if 1 <= n <= most)


def _checked(question: Question[Any, Reply, Any], text: str) -> Reply:
    try:
        body = text[text.index("{") : text.rindex("}") + 1]
        data = json.loads(body)
        for thought in ("thoughts", "plan", "check"):
            data.pop(thought, None)
        return question.reply.model_validate(data)
    except (ValueError, ValidationError, AttributeError) as error:
        raise BadModelOutput(
            f"The model was asked for {question.name} and answered {text[:120]!r}, which is not of "
            "the form that was asked for."
        ) from error


@cache
def _schema(reply: type[Answer], thinking: Thinking) -> dict[str, Any]:
    """Return the form of an answer: thoughts first, so that they come before what they lead to."""
    schema = reply.model_json_schema()
    thoughts = {"direct": (), "steps": ("thoughts",), "plan": ("plan", "check")}[thinking]
    text = {"type": "string", "maxLength": _THOUGHT_CHARS}
    before = dict.fromkeys(thoughts[:1], text)
    after = dict.fromkeys(thoughts[1:], text)
    schema["properties"] = {**before, **schema["properties"], **after}
    schema["required"] = list(schema["properties"])
    return schema


@cache
def _prompts() -> dict[str, Any]:
    text = files(__package__).joinpath("prompts/modules.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data
