"""What the user is told: the refined text or the one answer, and honestly what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten

from ..agents.refining.refiner import Refined
from ..agents.registry import Snapshot
from ..values import AgentResult, AnswerDelta, Decision
from .runlog import RunLog

OFFERED = 8
OFFER_CHARS = 90
"""How many agents are named in the answer to a query that is out of scope, and how briefly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one agent: its result, or why there is none."""

    agent: str
    result: AgentResult | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer of a turn. `answered`: an agent had something to say; `failed`: all failed."""

    text: str
    answered: bool
    failed: bool = False


def compose(
    decision: Decision,
    outcomes: Sequence[Outcome],
    refined: Refined | None,
    snapshot: Snapshot,
) -> Answer:
    """Return the answer that the outcomes allow."""
    if not decision.agents:
        return Answer(text=_out_of_scope(snapshot), answered=False)
    order = {name: place for place, name in enumerate(decision.agents)}
    ordered = sorted(outcomes, key=lambda outcome: order[outcome.agent])
    results = [outcome.result for outcome in ordered if outcome.result is not None]
    failures = [outcome for outcome in ordered if outcome.result is None]
    told = [result for result in results if result.answered]
    if not results:
        return Answer(text=_all_failed(failures), answered=False, failed=True)
    if refined is not None:
        text = refined.text
    else:
        text = "\n\n".join(result.text for result in (told or results))
    notes = [f"{outcome.agent} could not answer: {outcome.error}" for outcome in failures] + [
        f"No agent here covers {part.text!r}." for part in decision.parts if not part.agents
    ]
    return Answer(text="\n\n".join([text, *notes]), answered=bool(told))


def _out_of_scope(snapshot: Snapshot) -> str:
    offers = [f"- {entry.agent.name}: {_brief(entry.agent.description)}" for entry in snapshot.live]
    if not offers:
        return "There is no agent yet that could answer. Register one, and ask again."
    more = len(offers) - OFFERED
    shown = offers[:OFFERED] + ([f"- and {more} more"] if more > 0 else [])
    return "No agent here covers that. What they can do:\n\n" + "\n".join(shown)


def _brief(description: str) -> str:
    first = description.partition(". ")[0].rstrip(".")
    return shorten(first, OFFER_CHARS, placeholder=" ...")


def _all_failed(failures: Sequence[Outcome]) -> str:
    if len(failures) == 1:
        return f"{failures[0].agent} could not answer: {failures[0].error}"
    lines = "\n".join(f"- {outcome.agent}: {outcome.error}" for outcome in failures)
    return f"None of the agents that were called could answer:\n\n{lines}"


class AnswerStream:
    """The answer as it is told: append-only, so that what a user has read stays true.

    `sent` is what an earlier attempt of a resumed run has told already.
    """

    def __init__(self, log: RunLog, sent: str = "") -> None:
        self._log = log
        self._sent = sent
        self._resumed = bool(sent)

    def write(self, text: str) -> None:
        """Tell a piece of the answer. A resumed run is silent until the answer is whole."""
        if text and not self._resumed:
            self._sent += text
            self._log.add(event=AnswerDelta(text=text))

    def finish(self, text: str) -> None:
        """Tell what is missing of `text`."""
        if self._sent.endswith(text):
            return
        self._resumed = False
        if text.startswith(self._sent):
            self.write(text[len(self._sent) :])
        else:
            self.write(f"\n\n{text}")
