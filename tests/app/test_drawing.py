"""What is drawn fits 80 columns and shows all that matters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console, RenderableType

from callboard.app.cli.drawing import decision_line, draw_decision, draw_run, draw_runs
from callboard.app.cli.streaming import LiveTurn
from callboard.app.cli.tables import draw_checks, draw_report
from callboard.app.readiness import Check
from callboard.values import (
    AnswerDelta,
    Candidate,
    Decided,
    Done,
    Draft,
    Run,
    StepEnded,
    StepStarted,
)

Draw = Callable[[RenderableType], str]


@pytest.fixture
def draw() -> Draw:
    def to_text(picture: RenderableType) -> str:
        console = Console(width=80, file=StringIO(), highlight=False)
        console.print(picture)
        return console.file.getvalue()  # type: ignore[attr-defined]

    return to_text


def test_a_run_is_drawn_whole_in_80_columns(run: Run, draw: Draw) -> None:
    text = draw(draw_run(run))
    assert all(len(line) <= 80 for line in text.splitlines())
    for shown in (
        "15% of 240 is 36.",
        "calculator, calendar",
        "by retrieval, confidence 0.96",
        "One wish is arithmetic",
        "fits the first wish",
        "act calculator",
        "310 > 42",
        "endpoint down",
        "$0.0012 (+ unknown)",
        run.id,
    ):
        assert shown in text


def test_chosen_candidates_stand_first(run: Run, draw: Draw) -> None:
    assert run.decision is not None
    lines = draw(draw_decision(run.decision)).splitlines()
    marked = [line.split()[1] for line in lines if line.startswith("*")]
    assert marked == ["calculator", "calendar"]
    assert lines[-1].split()[0] == "units"


def test_many_candidates_are_counted_not_listed(run: Run, draw: Draw) -> None:
    assert run.decision is not None
    many = tuple(
        Candidate(agent=f"agent-{i}", score=0.01, chosen=False, reason="far") for i in range(150)
    )
    text = draw(draw_decision(replace(run.decision, candidates=many)))
    assert "and 145 more" in text


def test_a_decision_for_nobody_says_so(run: Run, draw: Draw) -> None:
    assert run.decision is not None
    nobody = replace(run.decision, agents=(), candidates=(), parts=(), in_scope=False)
    text = draw(draw_decision(nobody))
    assert "no agent" in text
    assert "out of scope" in text


def test_a_failed_run_shows_its_error(run: Run, draw: Draw) -> None:
    failed = replace(run, status="failed", answer=None, error="The database is gone.")
    assert "The database is gone." in draw(draw_run(failed))


def test_a_list_of_runs_shows_the_whole_id_and_cuts_the_query(run: Run, draw: Draw) -> None:
    text = draw(draw_runs([replace(run, query="why " * 100)]))
    first, second = text.splitlines()
    assert first.startswith(run.id)
    assert second.endswith("…")


def test_markup_in_a_query_is_text(run: Run, draw: Draw) -> None:
    odd = replace(run, query="[bold]x[/bold] [/nothing]", answer="[red]\x1b[2J[/]")
    assert "[bold]x[/bold] [/nothing]" in draw(draw_run(odd))
    assert "\x1b" not in draw(draw_run(odd))


def test_the_decision_line_names_agents_method_cost_and_run(run: Run) -> None:
    line = decision_line(run)
    assert line.startswith("calculator, calendar (by retrieval, 0.96)")
    assert run.id in line
    assert decision_line(replace(run, decision=None)).startswith("no decision")


def test_a_report_lists_its_failures(draw: Draw) -> None:
    rates = {
        **dict.fromkeys(("label_in_set", "all_in_set", "facts_kept"), 50.0),
        **dict.fromkeys(
            ("label_in_set_interval", "all_in_set_interval", "facts_kept_interval"), (9.45, 90.55)
        ),
    }
    report = {
        "questions": 2,
        **rates,
        "oos_recall": None,
        "oos_recall_interval": None,
        "mean_set_size": 1.5,
        "cost_usd": None,
        "p50_ms": 12.4,
        "failures": [
            {
                "question": "Why?",
                "expected": [["calendar"], ["clock", "units"]],
                "chosen": [],
                "missing_facts": ["Wednesday"],
            }
        ],
    }
    text = draw(draw_report(report))
    shown = ("50.0 %", "1.50", "unknown", "12 ms", "Failures (1)", "no agent", "Wednesday")
    for words in (*shown, "calendar or clock, units"):
        assert words in text


def test_a_check_that_failed_is_drawn_with_its_fix(draw: Draw) -> None:
    text = draw(
        draw_checks(
            [
                Check(name="python", state="ok", detail="3.11"),
                Check(name="database", state="bad", detail="damaged", fix="Restore it."),
            ]
        )
    )
    assert "ok" in text
    assert "Restore it." in text


def terminal() -> Console:
    return Console(file=StringIO(), width=80, force_terminal=True, color_system=None)


def test_drafts_are_shown_on_stderr_and_the_answer_goes_to_stdout(run: Run) -> None:
    out, err = terminal(), terminal()
    assert run.decision is not None
    with LiveTurn(out, err) as show:
        show(StepStarted(step=run.steps[0]))
        show(Decided(decision=run.decision))
        show(Draft(agent="calculator", text="15% of 240 "))
        show(StepEnded(step=replace(run.steps[2], status="failed", error="took too long")))
        show(AnswerDelta(text="It is "))
        show(AnswerDelta(text="36."))
        show(Done(status="done", answer="It is 36."))
    assert out.file.getvalue() == "It is 36.\n"  # type: ignore[attr-defined]
    drawn = err.file.getvalue()  # type: ignore[attr-defined]
    assert "It is 36." not in drawn


def test_an_answer_that_was_not_streamed_is_written_at_the_end() -> None:
    out, err = terminal(), terminal()
    with LiveTurn(out, err) as show:
        show(Done(status="done", answer="Nobody can do that."))
    assert out.file.getvalue() == "Nobody can do that.\n"  # type: ignore[attr-defined]


def test_the_tiers_of_memory_are_drawn_with_their_reasons(remembering: Run, draw: Draw) -> None:
    text = draw(draw_run(remembering))
    assert max(map(len, text.splitlines())) <= 80
    memory = text[text.index("Memory") : text.index("Steps")]
    words = " ".join(memory.split())
    assert "filter high $0.0005 The caller asked for high memory." in words
    assert "summary  high, done at mid" in memory
    assert "failed at 'high'" in words
    assert "The memo has 40 tokens of 2 pieces of memory." in memory
