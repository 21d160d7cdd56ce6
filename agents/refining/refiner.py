"""The refiner: one answer made of the answers of several agents, and nothing of them lost.

A model may write the text; what is promised does not rest on it. Before, the answers are cut into
sentences, what addresses the assistant is withheld and contradictions are found. After, what the
model wrote is checked against the answers: its inventions are dropped, what it lost is appended,
and where it is no use the answers stand side by side.

Source: the refining agent of TCAR, arXiv 2601.04544; the checks are ours.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, TypeAlias

import yaml

from ...errors import CallboardError, InvalidInput
from ...models.chat import ChatRequest, Message
from ...models.gateway import Gateway
from ...models.journal import Journal
from ...search.encoder import Encoder
from ...values import AgentResult
from ..sentences import join, pieces
from .audit import audit
from .composition import (
    Answer,
    Appended,
    complete,
    holds_little,
    side_by_side,
    without_labels,
)
from .conflicts import Conflict, conflicts
from .exemplars import Senses
from .facts import Facts, facts_of
from .injection import orders, visible
from .substance import is_useless

RefineMethod: TypeAlias = Literal["single", "merged", "side_by_side"]

_CHARS_PER_TOKEN = 3
"""Low on purpose: an estimate that may only be too high."""
_MIN_TOKENS = 256
_READ = 400
"""Sentences of an answer whose meaning is looked at; patterns look at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Text of an agent that addresses the assistant; kept to be inspected, never an answer."""

    agent: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """The answer, how it was made, and why it looks as it does. Survives JSON."""

    text: str
    method: RefineMethod
    conflicts: tuple[Conflict, ...] = ()
    appended: tuple[Appended, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Material:
    """The answers, ready to be merged, and what the query states."""

    asked: Facts
    answers: tuple[Answer, ...]
    conflicts: tuple[Conflict, ...]
    withheld: tuple[Withheld, ...]
    useless: tuple[str, ...]


class Refiner:
    """Makes one answer of several. `model` None, or one that can't judge: no model is asked.

    With an `encoder`, contradictions, orders to the assistant and useless answers are found by
    their meaning, too, and not by their words alone.
    """

    def __init__(
        self, *, model: str | None, gateway: Gateway, encoder: Encoder | None = None
    ) -> None:
        self._model = model
        self._encoder = encoder
        self._senses = Senses(encoder) if encoder else None
        self._gateway = gateway

    async def prepare(self) -> None:
        """Encode what sentences are compared with; the first refining would wait for it."""
        if self._senses is not None:
            await asyncio.to_thread(self._senses.of, ["Ready."])

    async def refine(
        self,
        query: str,
        results: Sequence[AgentResult],
        journal: Journal,
        *,
        wishes: Mapping[str, str] | None = None,
    ) -> Refined:
        """Return one answer that holds what the agents answered.

        Every number, date, name and link of the answers is in it and none that they and the query
        lack; a model that fails only costs the fluent form. `wishes` holds the part of the query
        that each agent was asked, where it was split: answers to different questions
        contradict each other only if they plainly speak of the same thing.

        Raises:
            InvalidInput: no agent has answered.
        """
        answered = [result for result in results if result.answered]
        if not answered:
            raise InvalidInput(
                "The refiner needs at least one answer and got none: "
                f"agents {[result.agent for result in results]!r}. Say so to the user instead."
            )
        if len(answered) == 1:
            reason = f"Only {answered[0].agent} answered."
            return Refined(text=answered[0].text, method="single", reason=reason)
        material = await asyncio.to_thread(
            _prepare, query, answered, wishes or {}, self._encoder, self._senses
        )
        if len(material.answers) < 2:
            return _refined(material, "single", "One answer is left")
        request, why = self._request(query, material)
        if request is None or self._model is None:
            return _refined(material, "side_by_side", why)
        try:
            reply = await journal.ask(self._model, request, key="merge")
        except CallboardError as error:
            return _refined(material, "side_by_side", f"The model {self._model!r} failed: {error}")
        if reply.finish_reason == "length":
            return _refined(
                material, "side_by_side", "The model's text was discarded: it is cut off"
            )
        return await asyncio.to_thread(_checked, reply.text, material)

    def _request(self, query: str, material: _Material) -> tuple[ChatRequest | None, str]:
        """Return what to ask the model, or None and why it is not asked."""
        if self._model is None:
            return None, "No model is set"
        settings = self._gateway.settings(self._model)
        if not settings.reasoning:
            return None, f"The model {self._model!r} is not able to judge"
        prompt = _prompt()
        mark = _mark(query, material.answers)
        blocks = "\n\n".join(
            prompt["answer"].format(mark=mark, agent=answer.agent, text=answer.text)
            for answer in material.answers
        )
        user = prompt["user"].format(query=query, mark=mark, answers=blocks)
        length = sum(len(answer.text) for answer in material.answers)
        max_tokens = max(_MIN_TOKENS, 2 * length // _CHARS_PER_TOKEN)
        asked = (len(prompt["system"]) + len(user)) // _CHARS_PER_TOKEN
        if asked + max_tokens > settings.context_tokens:
            return None, f"The answers are too long for the model {self._model!r}"
        messages = (
            Message(role="system", content=prompt["system"]),
            Message(role="user", content=user),
        )
        return ChatRequest(messages=messages, max_tokens=max_tokens, temperature=0.0), ""


def _prepare(
    query: str,
    results: Sequence[AgentResult],
    wishes: Mapping[str, str],
    encoder: Encoder | None,
    senses_of: Senses | None,
) -> _Material:
    answers: list[Answer] = []
    withheld: list[Withheld] = []
    names = {result.agent for result in results}
    texts = [visible(without_labels(result.text, names - {result.agent})) for result in results]
    cut = [pieces(text) for text, _ in texts]
    read = (piece.quote for parts in cut for piece in parts[:_READ] if piece.kind != "block")
    senses = senses_of.of(read) if senses_of else None
    for result, parts, (_, hidden) in zip(results, cut, texts, strict=True):
        flags = orders(parts, senses)
        kept = tuple(piece for piece, order in zip(parts, flags, strict=True) if not order)
        taken = [piece for piece, order in zip(parts, flags, strict=True) if order]
        if taken or hidden:
            lost = "\n".join(filter(None, (join(taken), hidden)))
            withheld.append(Withheld(agent=result.agent, text=lost))
        answers.append(Answer(agent=result.agent, parts=kept))
    asked = facts_of(query)
    useless = [answer for answer in answers if is_useless(answer.parts, asked, senses)]
    empty = [answer for answer in answers if not answer.parts]
    # When nobody has an answer, the refusals are what there is to say.
    left_out = useless if len(useless) < len(answers) else empty
    kept_answers = tuple(answer for answer in answers if answer not in left_out)
    return _Material(
        asked=asked,
        answers=kept_answers,
        conflicts=conflicts(
            [(answer.agent, answer.parts) for answer in kept_answers], query, wishes, encoder
        ),
        withheld=tuple(withheld),
        useless=tuple(answer.agent for answer in left_out),
    )


def _checked(written: str, material: _Material) -> Refined:
    """Return the model's text with its faults mended, or the answers side by side."""
    verdict = audit(
        visible(written)[0],
        answers=[piece for answer in material.answers for piece in answer.parts],
        asked=material.asked,
        agents=[answer.agent for answer in material.answers],
        rules=_prompt()["system"],
    )
    if verdict.discarded:
        return _refined(
            material, "side_by_side", f"The model's text was discarded: {verdict.discarded}"
        )
    if holds_little(verdict.parts, material.answers):
        return _refined(
            material,
            "side_by_side",
            "The model's text was discarded: it holds little of the answers",
        )
    text, appended = complete(verdict.parts, material.answers, material.conflicts)
    reasons = ["The answers were merged"]
    if verdict.dropped:
        said = ", ".join(f"“{quote}”" for quote in verdict.dropped)
        reasons.append(f"Dropped, because the answers do not say so: {said}")
    for part in appended:
        what = "the whole answer" if part.whole else "sentences that were missing"
        reasons.append(f"Appended from {part.agent}: {what}")
    return _refined(material, "merged", ". ".join(reasons), text, appended)


def _refined(
    material: _Material,
    method: RefineMethod,
    reason: str,
    text: str | None = None,
    appended: tuple[Appended, ...] = (),
) -> Refined:
    if text is None:
        text = side_by_side(material.answers, material.conflicts)
    notes = [
        f"{held.agent}: part of this answer was withheld, because it addresses the assistant "
        "instead of the user."
        for held in material.withheld
    ]
    reasons = [reason.rstrip(".")]
    if material.useless:
        reasons.append(f"Left out, because it does not answer: {', '.join(material.useless)}")
    if material.withheld:
        agents = ", ".join(held.agent for held in material.withheld)
        reasons.append(f"Instructions to the assistant were withheld from: {agents}")
    return Refined(
        text="\n\n".join(filter(None, (text, "\n".join(notes)))),
        method=method,
        conflicts=material.conflicts,
        appended=appended,
        withheld=material.withheld,
        reason=". ".join(reasons) + ".",
    )


def _mark(query: str, answers: Sequence[Answer]) -> str:
    """Return a mark that stands in none of the texts, so that none can forge a border.

    Made of the texts themselves: the same turn asks the same question when it is replayed.
    """
    texts = "\n".join((query, *(answer.text for answer in answers)))
    mark = hashlib.sha256(texts.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    while mark in texts:
        mark = hashlib.sha256(mark.encode()).hexdigest()[:16]
    return mark


@cache
def _prompt() -> dict[str, str]:
    text = files(__package__).joinpath("prompts/refine.yaml").read_text(encoding="utf-8")
    loaded: dict[str, str] = yaml.safe_load(text)
    return loaded
