"""Draws decisions and runs for a terminal of 80 columns or more; all from the saved record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ...values import Decision, Run
from ..views import (
    ExpertView,
    ModuleView,
    Node,
    cost_text,
    expert_views,
    memo_of,
    module_views,
    money_text,
    plain,
    run_cost_text,
    step_tree,
    time_text,
    tokens_text,
)

SHOWN = 5
"""Candidates that are drawn; all of them are in the JSON."""

MARKS = {"done": "", "failed": "failed", "cancelled": "cancelled", "running": "running"}


def draw_run(run: Run) -> RenderableType:
    """Draw a whole run: query, answer, decision, memory, steps and total."""
    answer = run.answer or run.error or f"(no answer: {run.status})"
    style = "" if run.status == "done" else "red"
    parts = [
        *section("Query", Text(plain(run.query))),
        *section("Answer", Text(plain(answer), style=style)),
    ]
    if run.decision is not None:
        parts += section("Decision", draw_decision(run.decision))
    if modules := module_views(run):
        parts += section("Memory", draw_modules(run, modules))
    if experts := expert_views(run):
        parts += section("Experts", draw_experts_of(experts))
    if run.steps:
        parts += section("Steps", draw_steps(run))
    parts += section("Total", Text(total_line(run)))
    return Group(*parts[:-1])


def section(title: str, body: RenderableType) -> list[RenderableType]:
    """Return a titled part of a page, and the empty line after it."""
    return [Text(title, style="bold"), Padding(body, (0, 0, 0, 2), expand=False), Text()]


def draw_decision(decision: Decision) -> RenderableType:
    """Draw who is called, why, and how near the others came."""
    lines: list[RenderableType] = [
        Text.assemble(
            (", ".join(decision.agents) or "no agent", "bold green" if decision.agents else "bold"),
            f"   by {decision.method}, confidence {decision.confidence:.2f}",
            "" if decision.in_scope else ", out of scope",
            (f"   {time_text(decision.latency_s)}, {money_text(decision.cost_usd)}", "dim"),
        ),
        Text(plain(decision.reason)),
    ]
    if len(decision.parts) > 1:
        lines += [
            Text(f'"{plain(part.text)}" for {", ".join(part.agents) or "nobody"}', style="dim")
            for part in decision.parts
        ]
    if decision.tiers:
        tiers = ", ".join(f"{module} {tier}" for module, tier in decision.tiers.items())
        lines.append(Text(f"memory: {tiers}", style="dim"))
    if decision.candidates:
        lines += [Text(), draw_candidates(decision)]
    return Group(*lines)


def draw_candidates(decision: Decision) -> RenderableType:
    """Draw the candidates with their scores: those chosen first, then those nearest to it."""
    ranked = sorted(decision.candidates, key=lambda c: (not c.chosen, -c.score))
    chosen = sum(candidate.chosen for candidate in ranked)
    shown = ranked[: max(SHOWN, chosen)]
    table = grid(width=[2, None, 12, 4, None])
    for candidate in shown:
        style = "green" if candidate.chosen else "dim"
        score = min(max(candidate.score, 0.0), 1.0)
        table.add_row(
            Text("*" if candidate.chosen else "", style=style),
            Text(candidate.agent, style=style, overflow="fold"),
            Bar(1.0, 0.0, score, width=12, color="green" if candidate.chosen else "bright_black"),
            Text(f"{candidate.score:.2f}", style=style),
            Text(plain(candidate.reason))
            if candidate.chosen
            else Text(plain(candidate.reason), style="dim", no_wrap=True, overflow="ellipsis"),
        )
    if len(shown) == len(ranked):
        return table
    return Group(table, Text(f"  and {len(ranked) - len(shown)} more", style="dim"))


def draw_modules(run: Run, modules: Iterable[ModuleView]) -> RenderableType:
    """Draw the tier of each memory module, what it cost, and why it was chosen."""
    table = grid(width=[None, None, 9, None], right=(2,))
    for one in modules:
        tier = one.tier if one.tier == one.asked else f"{one.asked}, done at {one.tier}"
        table.add_row(
            Text(one.module),
            Text(tier, style="" if one.tier == one.asked else "yellow"),
            Text(cost_text(one.usages), style="dim"),
            Text(plain(one.reason), style="dim"),
        )
    memo = memo_of(run)
    told = f"The memo has {memo.get('tokens', 0)} tokens of {len(memo.get('chunk_ids', ()))} pieces"
    return Group(table, Text(f"{told} of memory.", style="dim"))


def draw_experts_of(views: Iterable[ExpertView]) -> RenderableType:
    """Draw which expert read the query at which step and for what, and why."""
    table = grid(width=[None, None, None])
    for one in views:
        name = Text(plain(one.expert), style="green") if one.expert else Text("base", style="dim")
        table.add_row(one.told, name, Text(plain(one.reason), style="dim"))
    return table


def draw_steps(run: Run) -> RenderableType:
    """Draw the steps as a tree with time, tokens in > out, and cost."""
    table = grid(width=[None, None, 8, None, 9], right=(2, 3, 4))
    table.add_row("", "", *(Text(head, style="dim") for head in ("time", "tokens", "cost")))
    agents: dict[str | None, str | None] = {step.id: step.agent for step in run.steps}
    for branch, node in _lines(step_tree(run)):
        step = node.step
        usages = () if node.children else (step.usage,)
        again = f"attempt {step.attempt}" if step.attempt > 1 else ""
        error = plain(step.error or "")
        detail = "  ".join(filter(None, (step.model, again, MARKS[step.status], error)))
        failed = step.status in ("failed", "cancelled")
        # The steps below an agent's are its own too, and need not say so again.
        new_agent = step.agent is not None and agents.get(step.parent_id) != step.agent
        name = f"{step.name} {step.agent}" if new_agent else step.name
        table.add_row(
            Text.assemble((branch, "dim"), (name, "red" if failed else "")),
            Text(detail, style="red" if failed else "dim", overflow="fold"),
            time_text(step.latency_s),
            tokens_text(usages),
            Text(cost_text(usages) if usages else "", style="dim"),
        )
    return table


def _lines(
    nodes: tuple[Node, ...], before: str = "", top: bool = True
) -> Iterator[tuple[str, Node]]:
    for node in nodes:
        last = node is nodes[-1]
        twig, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
        yield before if top else before + twig, node
        yield from _lines(node.children, before if top else before + below, top=False)


def total_line(run: Run) -> str:
    """Return time, cost and id of a run in one line."""
    return f"{time_text(run.latency_s)}   {run_cost_text(run)}   run {run.id}"


def decision_line(run: Run) -> str:
    """Return who answered a run, why, and what it took, in one line."""
    decision = run.decision
    if decision is None:
        return f"no decision   {total_line(run)}"
    who = ", ".join(decision.agents) or "no agent"
    return f"{who} (by {decision.method}, {decision.confidence:.2f})   {total_line(run)}"


def grid(*, width: list[int | None], right: tuple[int, ...] = ()) -> Table:
    """Return a table without lines, one column per width; None takes what it needs."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for index, size in enumerate(width):
        table.add_column(width=size, justify="right" if index in right else "left", overflow="fold")
    return table


def draw_runs(runs: Iterable[Run]) -> RenderableType:
    """Draw two lines per run: when and how, then time, cost and query."""
    lines: list[RenderableType] = []
    for run in runs:
        style = "red" if run.status in ("failed", "cancelled") else "green"
        when = f"{run.created_at.astimezone():%Y-%m-%d %H:%M}"
        head = Text.assemble(run.id, f"  {when}  ", (run.status, style))
        query = Text(no_wrap=True, overflow="ellipsis")
        query.append(f"  {time_text(run.latency_s)}  {run_cost_text(run)}  ", style="dim")
        query.append(" ".join(plain(run.query).split()))
        lines += [head, query]
    return Group(*lines)
