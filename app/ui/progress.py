"""A turn while it goes on, as far as its event log tells; pages draw it, and never run it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ...values import (
    AnswerDelta,
    Decided,
    Decision,
    Done,
    Draft,
    Event,
    Step,
    StepEnded,
    StepStarted,
)


@dataclass(slots=True)
class Progress:
    """What has happened so far. `seq` is the number of the last event that was followed."""

    seq: int = 0
    steps: dict[str, Step] = field(default_factory=dict)
    decision: Decision | None = None
    drafts: dict[str, str] = field(default_factory=dict)
    answer: str = ""
    done: Done | None = None

    def follow(self, events: Iterable[Event]) -> None:
        """Take in the events that came."""
        for event in events:
            self.seq = event.seq
            match event.body:
                case StepStarted(step=step) | StepEnded(step=step):
                    self.steps[step.key] = step
                case Decided(decision=decision):
                    self.decision = decision
                    if len(decision.agents) > 1:
                        self.drafts = dict.fromkeys(decision.agents, "")
                case Draft(agent=agent, text=text):
                    self.drafts[agent] = self.drafts.get(agent, "") + text
                case AnswerDelta(text=text):
                    self.answer += text
                case Done():
                    self.done = event.body

    @property
    def top(self) -> tuple[Step, ...]:
        """The steps of the turn itself, in the order in which they began."""
        return tuple(step for step in self.steps.values() if step.parent_id is None)

    @property
    def doing(self) -> str:
        """What goes on now, in words."""
        going = [step for step in self.top if step.status == "running"]
        if not going:
            return "Thinking"
        agents = [step.agent for step in going if step.name == "act" and step.agent]
        if agents:
            return f"{', '.join(agents)} {'answers' if len(agents) == 1 else 'answer'}"
        return DOING.get(going[-1].name, going[-1].name)


DOING = {
    "retrieve": "Looking for agents",
    "guard": "Looking whether it is anyone's business",
    "decide": "Choosing agents",
    "recall": "Remembering",
    "act": "Answering",
    "refine": "Making one answer",
    "answer": "Saying the answer",
}
"""The steps of a turn, as they are told while they go on."""
