"""Draws a turn while it goes on: who works on it, what they write, then the answer as it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from ...values import AnswerDelta, Decided, Done, Draft, EventBody, Run, StepEnded, StepStarted
from ..views import plain

if TYPE_CHECKING:
    from ...board import Board

DRAFT_CHARS = 160
"""How much of the end of a draft is shown."""


def follow(board: Board, run_id: str, user: str, show: Callable[[EventBody], None]) -> Run:
    """Hand the events of a user's run to `show` until it ends, and return its record.

    Ctrl-C cancels the run.
    """
    try:
        for event in board.events_sync(run_id, user=user):
            show(event.body)
    except KeyboardInterrupt:
        board.cancel_sync(run_id, user=user)
        for _ in board.events_sync(run_id, user=user):
            pass  # until its end is stored
        raise
    return board.get_sync(run_id, user=user)


class LiveTurn:
    """Shows the work on stderr and writes the answer to stdout; drafts vanish when it begins."""

    def __init__(self, out: Console, err: Console) -> None:
        self._out = out
        self._live = Live(console=err, transient=True, refresh_per_second=8)
        self._doing = "starting"
        self._drafts: dict[str, str] = {}
        self._answered = False

    def __enter__(self) -> LiveTurn:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()
        if self._answered:
            self._out.file.write("\n")
            self._out.file.flush()

    def __call__(self, body: EventBody) -> None:
        """Show one event."""
        match body:
            case StepStarted(step=step) if step.parent_id is None:
                self._doing = step.name
            case Decided(decision=decision):
                self._drafts = dict.fromkeys(decision.agents, "")
            case Draft(agent=agent, text=text):
                self._drafts[agent] = self._drafts.get(agent, "") + text
            case StepEnded(step=step) if step.status == "failed" and step.agent in self._drafts:
                self._drafts[step.agent] = f"failed: {step.error}"
            case AnswerDelta(text=text):
                self._write(text)
            case Done(answer=answer) if answer and not self._answered:
                self._write(answer)
            case StepStarted() | StepEnded() | Done():
                pass
        if not self._answered:
            self._live.update(self._picture())

    def _write(self, text: str) -> None:
        if not self._answered:
            self._live.update(Text())
            self._live.stop()
            self._answered = True
        self._out.file.write(plain(text))
        self._out.file.flush()

    def _picture(self) -> RenderableType:
        lines: list[RenderableType] = [Spinner("dots", Text(self._doing, style="dim"))]
        for agent, draft in self._drafts.items():
            tail = " ".join(plain(draft).split())[-DRAFT_CHARS:]
            lines.append(Text.assemble(("  " + agent, "green"), ("  " + (tail or "..."), "dim")))
        return Group(*lines)
