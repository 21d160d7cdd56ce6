"""A ladder at work: the cheapest rung drafts, and the next is asked where it pays.

Every rung that is asked is a step of its own, and so is every decision between them: what a run
decided stands when it is resumed, and can be looked at.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from ...errors import BudgetExceeded, CallboardError, ConfigurationError, StoreError
from ...model_settings import ModelSettings
from ...values import Usage, add_usage
from ..chat import ChatReply, ChatRequest
from ..learned import Vector
from .features import Draft
from .predictor import Predictor
from .rule import Rule

if TYPE_CHECKING:
    from ..journal import Journal, OnText


class Encoder(Protocol):
    """Makes vectors of texts; `search/encoder.py` has those that there are."""

    @property
    def name(self) -> str:
        """The identity of the weights."""

    async def aencode(self, texts: Sequence[str]) -> Vector:
        """Return `(len(texts), dim)` float32, L2-normalised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How ladders read: `query_in` finds the query in a user message, `refuses` judges a reply.

    `refuses` gets the reply and the query, and tells whether the reply is no answer.
    """

    encoder: Encoder
    query_in: Callable[[str], str]
    refuses: Callable[[str, str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Where a ladder stands after a decision, and why. `gain` is what was predicted, if it was."""

    place: int
    reason: str
    gain: float | None = None


class Ladder:
    """The models `rungs`, from the cheapest to the dearest.

    Without a predictor a rung is left where its reply can't be used: it failed, is empty, refuses
    or is not in the form that was asked for.
    """

    def __init__(
        self, rungs: Sequence[str], reader: Reader, predictor: Predictor | None, rule: Rule | None
    ) -> None:
        self._rungs = tuple(rungs)
        self._reader = reader
        self._predictor = predictor
        self._rule = rule

    @classmethod
    def of(cls, name: str, settings: ModelSettings, reader: Reader) -> Ladder:
        """Return the ladder that the settings of the model `name` describe.

        Raises:
            ConfigurationError: its predictor can't be read, or was made for something else.
        """
        if settings.predictor is None:
            return cls(settings.ladder, reader, None, None)
        predictor = Predictor.load(
            settings.predictor, rungs=settings.ladder, encoder=reader.encoder.name
        )
        return cls(settings.ladder, reader, predictor, rule_of(name, settings, predictor))

    async def climb(
        self, journal: Journal, request: ChatRequest, *, key: str, on_text: OnText | None = None
    ) -> ChatReply:
        """Return the reply of the rung where it stays, with the usage of all that were asked.

        A draft is not told before it is accepted. Where the next rung fails, or the money left
        does not cover it, the draft that there is stands.

        Raises:
            CallboardError: what `Journal.ask` raises, where there is no draft.
        """
        told = _Told(on_text)
        query = self._query(request)
        if self._predictor is not None and self._predictor.reads_drafts:
            # How likely its tokens were is a feature of a draft; only able models are asked for it.
            request = replace(request, top_logprobs=request.top_logprobs or 0)
        place = await self._start(journal, query, key)
        replies: list[ChatReply] = []
        while place < len(self._rungs):
            rung, last = self._rungs[place], place == len(self._rungs) - 1
            try:
                reply = await journal.ask(
                    rung, request, key=f"{key}:{rung}", on_text=told if last and on_text else None
                )
            except StoreError:
                raise
            except CallboardError as error:
                at_the_end = last or isinstance(error, BudgetExceeded)
                if at_the_end and (told.something or not replies):
                    raise
                if at_the_end:
                    break
                place += 1
                continue
            replies.append(reply)
            if last:
                break
            move = await self._after(journal, place, query, request, reply, key)
            if move.place == place:
                break
            place = move.place
        if not told.something and replies[-1].text:
            told(replies[-1].text)
        return _whole(replies)

    async def _start(self, journal: Journal, query: str, key: str) -> int:
        predictor, rule = self._predictor, self._rule
        if predictor is None or rule is None:
            return 0

        async def decide(_: Journal) -> Move:
            (vector,) = await self._reader.encoder.aencode([query])
            gains = predictor.before(vector)
            place = rule.start(gains)
            said = ", ".join(
                f"{rung} {gain:+.2f} (needs {tau:.2f})"
                for rung, gain, tau in zip(self._rungs[1:], gains, rule.taus, strict=True)
            )
            reason = f"Predicted gains by the query: {said}; begins with {self._rungs[place]}."
            return Move(place=place, reason=reason, gain=gains[min(place, len(gains) - 1)])

        move: Move = await journal.once(f"{key}:ladder", "ladder", decide, returns=Move)
        return move.place

    async def _after(
        self,
        journal: Journal,
        place: int,
        query: str,
        request: ChatRequest,
        reply: ChatReply,
        key: str,
    ) -> Move:
        """Decide whether a draft is accepted. A model that calls a tool has not answered yet."""
        rung, after = self._rungs[place], self._rungs[place + 1]
        if reply.tool_calls:
            return Move(place=place, reason=f"{rung} calls a tool.")

        async def decide(_: Journal) -> Move:
            draft = Draft(
                text=reply.text,
                refuses=self._is_useless(request, reply.text, query),
                logprob=_mean_logprob(reply),
            )
            if draft.refuses:
                return Move(place=place + 1, reason=f"{rung} gave no answer: {after} is asked.")
            gain = await self._gain(place, query, draft)
            if gain is None or self._rule is None:
                return Move(place=place, reason=f"{rung} gave an answer.")
            up = self._rule.climbs(place, gain)
            reason = (
                f"Predicted gain of {after} by the draft of {rung}: {gain:+.2f} "
                f"(needs {self._rule.taus[place]:.2f}); {after if up else rung} answers."
            )
            return Move(place=place + up, reason=reason, gain=gain)

        move: Move = await journal.once(f"{key}:ladder {rung}", "ladder", decide, returns=Move)
        return move

    async def _gain(self, place: int, query: str, draft: Draft) -> float | None:
        if self._predictor is None or not self._predictor.reads_drafts:
            return None
        asked, said = await self._reader.encoder.aencode([query, draft.text])
        return self._predictor.after(place, asked, said, draft)

    def _query(self, request: ChatRequest) -> str:
        said = [one.content for one in request.messages if one.role == "user"]
        return self._reader.query_in(said[-1]) if said else ""

    def _is_useless(self, request: ChatRequest, text: str, query: str) -> bool:
        if request.json_schema is None:
            return self._reader.refuses(text, query)
        try:
            json.loads(text)
        except ValueError:
            return True
        return False


def rule_of(name: str, settings: ModelSettings, predictor: Predictor) -> Rule:
    """Return the rule of a ladder: by its tau, by what a point is worth, or as it was trained.

    Raises:
        ConfigurationError: it goes by what a point is worth, and nobody told what rungs cost.
    """
    pairs = len(settings.ladder) - 1
    taus: tuple[float, ...] | None
    if settings.point_usd is not None:
        taus = predictor.worth(settings.point_usd)
        if taus is None:
            raise ConfigurationError(
                f"[models.{name}] point_usd needs a predictor that knows what its rungs cost, and "
                f"{str(settings.predictor)!r} was trained on outcomes without cost_usd. Set tau."
            )
    else:
        taus = (predictor.tau if settings.tau is None else settings.tau,) * pairs
    return Rule(taus=taus, margins=predictor.margins)


class _Told:
    """Hands text on, and remembers whether there was any."""

    def __init__(self, on_text: OnText | None) -> None:
        self._on_text = on_text
        self.something = False

    def __call__(self, piece: str) -> None:
        self.something = True
        if self._on_text is not None:
            self._on_text(piece)


def _whole(replies: Sequence[ChatReply]) -> ChatReply:
    """Return the last reply, as what all of them took."""
    usage = Usage(reasoning_tokens=0)  # nothing yet: that is known
    for one in replies:
        usage = add_usage(usage, one.usage)
    return replace(replies[-1], usage=usage, latency_s=sum(one.latency_s for one in replies))


def _mean_logprob(reply: ChatReply) -> float | None:
    return statistics.fmean(one.logprob for one in reply.logprobs) if reply.logprobs else None
