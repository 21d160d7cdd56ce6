"""Draws what a check of the agents found, and what a model suggests for them."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import ndiff
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from ..views import plain
from .drawing import grid, section

if TYPE_CHECKING:
    from ...agents.spec import Agent
    from ...values import AgentCheck, Checkup, Suggestion

SHOWN = 20
"""Confusions and pairs that are drawn; all of them are in the JSON."""


def draw_checkup(checkup: Checkup) -> RenderableType:
    """Draw the findings: agents that lose or attract queries, then confusions, then pairs."""
    parts: list[RenderableType] = []
    noted = [one for one in checkup.agents if list(_notes(one))]
    if noted:
        table = grid(width=[None, None])
        for agent in noted:
            table.add_row(agent.agent, Text("; ".join(_notes(agent))))
        parts += section("Agents", table)
    if checkup.confusions:
        table = grid(width=[None, None, None])
        for found in checkup.confusions[:SHOWN]:
            shares = f"{found.probability:.2f} : {found.other_probability:.2f}"
            route = f"{found.agent} -> {found.other}"
            table.add_row(Text(plain(found.query)), Text(route), Text(shares, style="dim"))
        parts += section(_title("Examples that go to another agent", checkup.confusions), table)
    if checkup.alike:
        table = grid(width=[None, None])
        for one, other, cosine in checkup.alike[:SHOWN]:
            table.add_row(Text(f"{one}, {other}"), Text(f"{cosine:.2f}", style="dim"))
        parts += section(
            _title("Agents that say nearly the same of themselves", checkup.alike), table
        )
    tried = sum(one.tried for one in checkup.agents)
    first = sum(one.first for one in checkup.agents)
    total = f"{len(checkup.agents)} agents looked at; {first} of {tried} examples find their agent."
    if not tried:
        total += " Give agents two example queries or more, and these are tried."
    return Group(*parts, Text(total))


def draw_suggestion(agent: Agent, suggestion: Suggestion) -> RenderableType:
    """Draw a suggestion as the difference that it makes."""
    before = [agent.description, *agent.examples]
    after = [suggestion.description, *agent.examples, *suggestion.examples]
    lines = [line.rstrip("\n") for line in ndiff(before, after) if line[0] in "+-"]
    colours = {"+": "green", "-": "red"}
    drawn = [Text(plain(line), style=colours[line[0]]) for line in lines]
    return Group(*section(agent.name, Group(Text(plain(suggestion.reason), style="dim"), *drawn)))


def _notes(one: AgentCheck) -> Iterator[str]:
    if one.first < one.tried:
        yield f"first for {one.first} of {one.tried} of its own examples"
    if one.attracts:
        queries = "example" if one.attracts == 1 else "examples"
        yield f"attracts {one.attracts} {queries} of others"
    if one.hub_share:
        yield f"a hub: first for {one.hub_share:.0%} of everyday queries"


def _title(title: str, found: tuple[object, ...]) -> str:
    return title if len(found) <= SHOWN else f"{title} (the first {SHOWN} of {len(found)})"
