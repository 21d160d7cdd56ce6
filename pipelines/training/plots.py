"""Pictures of a training: how it went, and what policies gain for what they cost.

Needs the extra `train` (matplotlib).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ConfigurationError
from ...values import TIERS
from .environment import Played

if TYPE_CHECKING:
    from .ppo import Progress


def check_plots() -> None:
    """See that pictures can be drawn, before a training takes hours.

    Raises:
        ConfigurationError: matplotlib is not installed.
    """
    _figure()


def draw_learning(history: Sequence[Progress], file: Path) -> None:
    """Draw the task's reward, the cost and the shares of the tiers over the batches."""
    figure = _figure()
    above, middle, below = figure.subplots(3, 1, sharex=True)
    batches = range(1, len(history) + 1)
    above.plot(batches, [one.task for one in history], color="tab:blue")
    above.set_ylabel("task reward")
    middle.plot(batches, [one.cost_usd for one in history], color="tab:red")
    middle.set_ylabel("US dollars a query")
    for place, tier in enumerate(TIERS):
        below.plot(batches, [one.shares[place] for one in history], label=tier)
    below.set_ylabel("share of tiers")
    below.set_ylim(-0.03, 1.03)
    below.set_xlabel("batch of queries")
    below.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(TIERS), frameon=False)
    _save(figure, file)


def draw_frontier(points: Mapping[str, Played], file: Path) -> None:
    """Draw what each policy gains and costs; better is up and to the left."""
    figure = _figure()
    axes = figure.subplots()
    named: dict[tuple[float, float], list[str]] = {}
    for name, point in points.items():
        named.setdefault((point.cost_usd, point.reward), []).append(name)
    for place, names in named.items():
        axes.scatter(*place, color=_colour(names))
        axes.annotate("\n".join(names), place, (6, 0), textcoords="offset points", va="center")
    learned = sorted((p.cost_usd, p.reward) for name, p in points.items() if "learned" in name)
    axes.plot(*zip(*learned, strict=True), color="tab:blue", linewidth=0.8) if learned else None
    axes.set_xlabel("US dollars a query")
    axes.set_ylabel("task reward")
    axes.margins(0.15)
    _save(figure, file)


def _colour(names: Sequence[str]) -> str:
    return "tab:blue" if any("learned" in name for name in names) else "tab:gray"


def _figure() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigurationError(
            "Pictures need the extra 'train': pip install 'callboard[train]'."
        ) from error
    return Figure(figsize=(7, 6), layout="constrained")


def _save(figure: Any, file: Path) -> None:
    figure.savefig(file, format="png")  # without pyplot: no window system is asked for
