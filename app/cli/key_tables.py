"""Draws keys and the audit log for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.text import Text

from ...records import ApiKey, Change
from ..views import plain
from .drawing import grid

STYLES = {"done": "green", "refused": "red", "asked": "yellow"}


def draw_keys(keys: Iterable[ApiKey]) -> RenderableType:
    """Draw one line per key."""
    now = datetime.now(UTC)
    table = grid(width=[None] * 6)
    for key in keys:
        good = key.good_at(now)
        agents = "all agents" if key.agents is None else ", ".join(key.agents) or "no agent"
        table.add_row(
            key.id,
            Text("good" if good else "ended", style="green" if good else "dim"),
            Text(plain(key.scope.user)),
            ", ".join(key.roles),
            Text(agents, style="dim"),
            Text(f"{plain(key.name)} {_used(key)}".strip(), style="dim"),
        )
    return table


def draw_changes(changes: Iterable[Change]) -> RenderableType:
    """Draw one line per entry of the audit log."""
    table = grid(width=[None] * 5)
    for one in changes:
        table.add_row(
            f"{one.created_at:%Y-%m-%d %H:%M:%S}",
            Text(one.outcome, style=STYLES[one.outcome]),
            Text(plain(one.action)),
            Text(plain(one.object)),
            Text(f"{one.key_id or 'command line'} {plain(one.error or '')}".strip(), style="dim"),
        )
    return table


def _used(key: ApiKey) -> str:
    if key.last_used_at is None:
        return "(never used)"
    return f"(last used {key.last_used_at:%Y-%m-%d %H:%M})"
