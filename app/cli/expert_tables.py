"""Draws experts, and which of them was chosen, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from ..views import plain, score_text
from .drawing import grid, section

if TYPE_CHECKING:
    from ...pipelines.experts import RegisteredExpert
    from ...search.experts.roster import ExpertChoice


def draw_experts(experts: Iterable[RegisteredExpert]) -> RenderableType:
    """Draw one line per expert."""
    table = grid(width=[None] * 4)
    for one in experts:
        table.add_row(
            one.card.name,
            Text("unused" if one.reason else "live", style="yellow" if one.reason else "green"),
            Text(", ".join(one.serves) or "agents that name it", style="dim"),
            Text(plain(one.reason) or score_text(one.card.score)),
        )
    return table


def draw_expert(one: RegisteredExpert) -> RenderableType:
    """Draw all that is known of one expert."""
    card = one.card
    made = " (queries made of the documents)" if card.synthetic else ""
    fields: dict[str, Any] = {
        "state": f"unused: {one.reason}" if one.reason else "live",
        "serves": ", ".join(one.serves) or "agents that name it",
        "kind": card.kind,
        "encoder": card.encoder,
        "data": f"{card.data}, {card.pairs:,} pairs{made}",
        "score": score_text(card.score),
        "settings": ", ".join(f"{name} {value}" for name, value in card.settings.items()),
        "made": f"{card.made_at:%Y-%m-%d %H:%M}",
        "added": f"{one.created_at:%Y-%m-%d %H:%M} by {one.user}",
    }
    table = grid(width=[None, None])
    for name, value in fields.items():
        if value:
            table.add_row(Text(name, style="dim"), Text(plain(str(value))))
    return Group(*section(card.name, table)[:-1])


def draw_choices(choices: Mapping[str, ExpertChoice]) -> RenderableType:
    """Draw which expert would read for what."""
    table = grid(width=[None] * 3)
    for corpus, one in choices.items():
        table.add_row(corpus, one.expert or Text("base", style="dim"), Text(plain(one.reason)))
    return table
