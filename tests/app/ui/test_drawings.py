"""What drawings and figures make of records, without a page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from callboard.app.ui.comparison import difference
from callboard.app.ui.drawings.spend import grouped, totals
from callboard.app.ui.drawings.steps import waterfall_rows
from callboard.app.ui.drawings.turn import decision_line
from callboard.app.ui.month import forecast
from callboard.app.ui.period import first_instant
from callboard.app.ui.progress import Progress
from callboard.records import Spend
from callboard.values import (
    AnswerDelta,
    Decided,
    Done,
    Draft,
    Event,
    EventBody,
    Run,
    StepEnded,
    StepStarted,
)


def spend(agent: str | None, usd: str, unknown: int = 0, day: int = 15) -> Spend:
    return Spend(
        day=date(2026, 1, day),
        user="ann",
        step="act",
        agent=agent,
        model="main",
        calls=1,
        unknown=unknown,
        known_usd=Decimal(usd),
        input_tokens=10,
        output_tokens=5,
    )


def test_spend_is_grouped_by_day_and_agent_and_the_dearest_comes_first() -> None:
    rows = (spend("a", "0.1"), spend("b", "0.3"), spend("a", "0.1", day=16), spend(None, "0", 1))
    assert len(grouped(rows, "agent")) == 4
    told = totals(rows, "agent", "Agent")
    assert [row["Agent"] for row in told][:2] == ["b", "a"]
    assert told[1]["Cost"] == "$0.20"
    assert (told[2]["Cost"], told[2]["Unknown cost"]) == ("unknown", 1)


def test_a_month_that_goes_on_as_it_began() -> None:
    noon = datetime(2026, 11, 16, 0, tzinfo=UTC)
    assert forecast(Decimal(15), noon) == 30
    early = datetime(2026, 11, 1, 0, 5, tzinfo=UTC)
    assert forecast(Decimal(1), early) == 60  # not 8,640 for five minutes


def test_a_period_begins_with_a_day() -> None:
    now = datetime(2026, 11, 28, 13, tzinfo=UTC)
    assert first_instant(0, now) == datetime(2026, 11, 28, tzinfo=UTC)
    assert first_instant(6, now) == datetime(2026, 11, 22, tzinfo=UTC)
    assert first_instant(None, now) is None


def test_the_waterfall_has_every_step_below_its_own(run: Run) -> None:
    rows = waterfall_rows(run)
    assert len(rows) == len(run.steps)
    assert [row["label"][3:] for row in rows[:2]] == ["retrieve", "decide"]
    call = next(row for row in rows if "ask other" in row["label"])
    assert (call["status"], call["cost"], call["kind"]) == ("failed", "unknown", "model call")
    assert call["label"][3:].startswith("\u2003")
    assert all(row["end"] >= row["start"] >= 0 for row in rows)
    assert waterfall_rows(replace(run, steps=())) == []


def test_the_line_below_an_answer_tells_who_how_what_and_how_long(run: Run) -> None:
    line = decision_line(run).replace("\\", "")
    assert line == (
        "calculator, calendar · retrieval 0.96 · memory not needed · $0.0012 (+ unknown) · 1.3 s"
    )
    assert decision_line(replace(run, decision=None, status="failed")).startswith("failed")


def test_what_two_runs_differ_in_cost_is_unknown_if_one_is(run: Run) -> None:
    free = replace(run, steps=run.steps[:2])
    dear = replace(run, steps=run.steps[:6])
    assert "unknown" in difference(run, free)
    assert difference(free, dear) == "Asked again it cost $0.0012 more."
    assert difference(dear, free) == "Asked again it cost $0.0012 less."
    assert difference(free, free) == "Both cost the same."


def test_progress_follows_the_event_log(run: Run) -> None:
    assert run.decision is not None
    act = next(step for step in run.steps if step.name == "act")
    bodies: list[EventBody] = [
        StepStarted(step=replace(run.steps[0], status="running", latency_s=None)),
        StepEnded(step=run.steps[0]),
        Decided(decision=run.decision),
        StepStarted(step=replace(act, status="running", latency_s=None)),
        Draft(agent="calculator", text="15% "),
        Draft(agent="calculator", text="is 36."),
    ]
    progress = Progress()
    progress.follow([Event(run_id="r1", seq=n, body=body) for n, body in enumerate(bodies, 1)])
    assert progress.seq == len(bodies)
    assert progress.drafts == {"calculator": "15% is 36.", "calendar": ""}
    assert progress.doing == "calendar answers"
    assert progress.done is None
    last = (AnswerDelta(text="It is "), AnswerDelta(text="36."), Done(status="done", answer="x"))
    progress.follow([Event(run_id="r1", seq=9 + n, body=body) for n, body in enumerate(last)])
    assert progress.answer == "It is 36."
    assert progress.done == last[-1]
