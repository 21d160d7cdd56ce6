"""Draws lists for a terminal: agents, memory, models, checks, and the report of an evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...model_settings import model_name
from ..readiness import Check
from ..views import AUDIT_MEANING, cost_text, money_text, plain, time_text
from .drawing import grid, section

if TYPE_CHECKING:
    from ...agents.registry import Registered
    from ...models.check import ModelCheck
    from ...records import Audit, AuditRow
    from ...values import Feedback, Remembered, RoutingMetrics

RUNS_SHOWN = 5
"""Runs of a row that stand out and are drawn; all of them are in the JSON."""

STYLES = {"live": "green", "bundled": "green", "ok": "green", "warn": "yellow", "bad": "red"}


def draw_agents(agents: Iterable[Registered]) -> RenderableType:
    """Draw one line per agent."""
    table = grid(width=[None, None, None, None])
    for one in agents:
        words = one.reason or one.agent.description
        table.add_row(
            one.agent.name,
            Text(one.state, style=STYLES.get(one.state, "yellow")),
            Text(one.agent.kind, style="dim"),
            Text(_short(words, 80)),
        )
    return table


def draw_metrics(metrics: RoutingMetrics) -> RenderableType:
    """Draw what stored runs say about the routing."""

    def share(value: float | None) -> str:
        return "unknown" if value is None else f"{value:.0%}"

    size = metrics.mean_set_size
    table = grid(width=[None, None])
    table.add_row("runs", str(metrics.runs))
    table.add_row("agents per query", "unknown" if size is None else f"{size:.2f}")
    table.add_row("decided by a model", share(metrics.reasoned_share))
    table.add_row("fallbacks", share(metrics.fallback_share))
    table.add_row("out of scope", share(metrics.out_of_scope_share))
    for length, value in metrics.persistence.items():
        table.add_row(f"same agents over {length} queries (SRP)", share(value))
    for pool, value in metrics.hit_rates.items():
        agents = "1 agent" if pool == 1 else f"{pool} agents"
        table.add_row(f"calls that {agents} kept warm could serve (SCH)", share(value))
    counted = grid(width=[None, None])
    for category, counts in metrics.categories.items():
        told = ", ".join(f"{agent} {count}" for agent, count in counts.items())
        counted.add_row(Text(plain(category)), Text(told, style="dim"))
    return Group(*section("Routing", table), *section("Calls by category", counted)[:-1])


def draw_agent(one: Registered) -> RenderableType:
    """Draw all that is known of one agent."""
    agent = one.agent
    table = grid(width=[None, None])
    fields: dict[str, Any] = {
        "state": f"{one.state}{': ' if one.reason else ''}{one.reason}",
        "version": one.version,
        "description": agent.description,
        "kind": agent.kind,
        "model": agent.asked and model_name(agent.asked),
        "function": agent.function,
        "documents": ", ".join(agent.documents),
        "expert": agent.expert,
        "tools": ", ".join(agent.tools),
        "tags": ", ".join(agent.tags),
        "instructions": agent.instructions,
        "examples": "\n".join(agent.examples),
    }
    for name, value in fields.items():
        if value not in (None, ""):
            table.add_row(Text(name, style="dim"), Text(plain(str(value))))
    return Group(*section(agent.name, table)[:-1])


def draw_models(rows: Iterable[Mapping[str, Any]]) -> RenderableType:
    """Draw one line per configured model."""
    table = grid(width=[None, None, None, None])
    for row in rows:
        table.add_row(
            row["name"],
            Text(row["state"], style=STYLES[row["state"]]),
            Text(row["detail"]),
            Text(row["fix"], style="yellow"),
        )
    return table


def draw_model_checks(checks: Iterable[ModelCheck]) -> RenderableType:
    """Draw how each model did when it was called."""
    table = grid(width=[4, None, None, None])
    for check in checks:
        state = "ok" if check.ok else "bad"
        said = f"{time_text(check.latency_s)}  {cost_text((check.usage,))}"
        table.add_row(
            Text(state, style=STYLES[state]),
            check.name,
            Text(check.model, style="dim"),
            Text(plain(check.error or said)),
        )
    return table


def draw_audit(audit: Audit) -> RenderableType:
    """Draw one line per model and domain, the runs that stand out, and what all of it means."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("model\nagent", overflow="fold")
    for name in ("calls\ntold", "usual\nP95, P99", "billed\nexpected", "times\n95 %", "above\nP99"):
        table.add_column(name, justify="right")
    for row in audit.rows:
        suspect = row.interval is not None and row.interval[0] > 1
        expected = "-" if row.expected_tokens is None else f"{row.expected_tokens:,.0f}"
        table.add_row(
            Text(plain(f"{row.model}\n{row.domain}")),
            f"{row.calls}\n{row.told}",
            _usual(row),
            f"{row.billed_tokens:,}\n{expected}",
            Text(_times(row), style="red" if suspect else ""),
            "-" if row.above_p99 is None else str(row.above_p99),
        )
    since = f"Reasoning tokens since {audit.since.astimezone():%Y-%m-%d %H:%M}"
    parts = section(since, table)
    unusual = [row for row in audit.rows if row.run_ids]
    if unusual:
        runs = grid(width=[None, None])
        for row in unusual:
            ids, more = row.run_ids[:RUNS_SHOWN], len(row.run_ids) - RUNS_SHOWN
            told = "\n".join((*ids, f"and {more} more") if more > 0 else ids)
            runs.add_row(Text(plain(row.domain)), Text(told))
        parts += section("Runs with calls above P99", runs)
    return Group(*parts, Text(AUDIT_MEANING, style="dim"))


def _usual(row: AuditRow) -> str:
    if row.baseline is None:
        return f"too few\n{row.baseline_calls} before"
    median, p95, p99 = (f"{x:.3g}" for x in (row.median_ratio, row.p95_ratio, row.p99_ratio))
    of_model = "\nof all agents" if row.baseline == "model" else ""
    return f"{median}\n{p95}, {p99}{of_model}"


def _times(row: AuditRow) -> str:
    if row.times is None:
        return "-"
    between = f"{row.interval[0]:.2f} to {row.interval[1]:.2f}" if row.interval else "too few"
    return f"{row.times:.2f}\n{between}"


def draw_checks(checks: Iterable[Check]) -> RenderableType:
    """Draw one line per check, and below it what to do."""
    table = grid(width=[4, None, None])
    for check in checks:
        style = STYLES[check.state]
        table.add_row(Text(check.state, style=style), check.name, Text(plain(check.detail)))
        if check.fix:
            table.add_row("", "", Text(plain(check.fix), style=style))
    return table


def draw_feedback(given: Iterable[Feedback]) -> RenderableType:
    """Draw two lines per feedback: id, score and agents, then when, query and comment."""
    lines: list[RenderableType] = []
    for one in given:
        style = "green" if one.score > 0 else "red" if one.score < 0 else "yellow"
        head = Text.assemble(one.id, "  ", (f"{one.score:+g}", style), "  ")
        undone = ", ".join(sorted(set(one.agents) - set(one.standing)))
        head.append(", ".join(one.standing))
        head.append(f"{'  ' if one.standing else ''}undone: {undone}" if undone else "", "dim")
        said = f"  {plain(one.comment)}" if one.comment else ""
        when = f"  {one.created_at.astimezone():%Y-%m-%d %H:%M}  run {one.run_id}  "
        lines += [head, Text(f"{when}{_short(one.query, 60)}{said}", style="dim")]
    return Group(*lines)


def draw_memory(found: Iterable[Remembered]) -> RenderableType:
    """Draw two lines per piece of memory: what it says, then when, whose words and its id."""
    lines: list[RenderableType] = []
    for one in found:
        near = f"{one.similarity:.2f}  " if one.similarity is not None else ""
        told = [one.id, f"{one.created_at.astimezone():%Y-%m-%d %H:%M}", f"trust {one.trust:g}"]
        told += [f"session {one.session}"] * (one.session is not None)
        told += [f"for {one.agent} alone"] * (one.agent is not None)
        told += ["replaced"] * (one.superseded_by is not None)
        lines.append(Text(f"{near}{_short(one.text, 200)}"))
        lines.append(Text(f"  {'  '.join(map(plain, told))}", style="dim"))
    return Group(*lines)


def draw_remembered(one: Remembered) -> RenderableType:
    """Draw all that is known of one piece of memory."""
    table = grid(width=[None, None])
    for name, value in asdict(one).items():
        if name not in ("id", "text", "similarity") and value is not None:
            said = f"{value.astimezone():%Y-%m-%d %H:%M}" if isinstance(value, datetime) else value
            table.add_row(Text(name.replace("_", " "), style="dim"), Text(plain(str(said))))
    return Group(Text(plain(one.text)), *section(one.id, table)[:-1])


def draw_report(report: Mapping[str, Any]) -> RenderableType:
    """Draw the figures of an evaluation, then every question that failed."""
    table = grid(width=[None, None, None], right=(1,))
    table.add_row("questions", str(report["questions"]))
    for name in ("label_in_set", "all_in_set", "oos_recall", "facts_kept"):
        percent, interval = report[name], report[f"{name}_interval"]
        table.add_row(
            name.replace("_", " "),
            "-" if percent is None else f"{percent:.1f} %",
            Text(f"{interval[0]:.1f} to {interval[1]:.1f}" if interval else "", style="dim"),
        )
    size = report["mean_set_size"]
    table.add_row("mean set size", "-" if size is None else f"{size:.2f}")
    table.add_row("median time", time_text(report["p50_ms"] / 1000))
    cost = report["cost_usd"]
    table.add_row("cost", money_text(None if cost is None else Decimal(str(cost))))
    parts = section("Evaluation", table)
    if report["failures"]:
        rows = Group(*(line for failure in report["failures"] for line in _failure(failure)))
        parts += section(f"Failures ({len(report['failures'])})", rows)
    return Group(*parts[:-1])


def draw_routing(found: Mapping[str, Any]) -> RenderableType:
    """Draw the figures of a routing benchmark, each with its interval."""
    table = grid(width=[None, None, None], right=(1,))
    for name, value in found.items():
        if isinstance(value, Mapping):
            for inner, figure in value.items():
                _add_figure(table, f"{name} {inner}", figure, value.get(f"{inner}_ci"))
        else:
            _add_figure(table, name, value, found.get(f"{name}_ci"))
    return Group(*section("Routing", table)[:-1])


def _add_figure(table: Table, name: str, value: Any, interval: Sequence[float] | None) -> None:
    if name.endswith("_ci"):
        return
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} {of}" for key, of in value.items() if not key.endswith("_ci"))
    between = f"{interval[0]:g} to {interval[1]:g}" if interval else ""
    value = f"{value:g}" if isinstance(value, float) else value
    said = Text("-" if value is None else plain(str(value)))
    table.add_row(name.replace("_", " "), said, Text(between, style="dim"))


def _failure(failure: Mapping[str, Any]) -> Iterator[Text]:
    yield Text(plain(failure["question"]))
    yield Text(f"  expected {_names(failure['expected'])}", style="dim")
    yield Text(f"  chosen   {_names(failure['chosen'])}", style="red")
    if failure["missing_facts"]:
        missing = ", ".join(plain(fact) for fact in failure["missing_facts"])
        yield Text(f"  missing  {missing}", style="red")


def _names(agents: Sequence[Any]) -> str:
    """Return `a, b`; of several right sets `a, b or c`."""
    sets = [one if isinstance(one, str) else ", ".join(one) or "no agent" for one in agents]
    several = any(not isinstance(one, str) for one in agents)
    return (" or " if several else ", ").join(sets) or "no agent"


def _short(text: str, limit: int) -> str:
    text = " ".join(plain(text).split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def draw_ladders(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Draw a table for each ladder of the benchmark."""
    parts: list[RenderableType] = []
    for ladder in dict.fromkeys(row["ladder"] for row in rows):
        own = [row for row in rows if row["ladder"] == ladder]
        names = [name for name in own[0] if name != "ladder"]
        parts += section(ladder, draw_rows(own, names))
    return Group(*parts[:-1])


def draw_rows(rows: Sequence[Mapping[str, Any]], names: Sequence[str] = ()) -> RenderableType:
    """Draw rows of figures as a table: those of `names` that any row has, or all single ones."""
    names = [
        name
        for name in names or rows[0]
        if any(row.get(name) is not None for row in rows)
        and not isinstance(rows[0].get(name), list | dict)
    ]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(names):
        table.add_column(name.replace("_", " "), justify="right" if number else "left")
    for row in rows:
        table.add_row(*("-" if row.get(name) is None else str(row[name]) for name in names))
    return table
