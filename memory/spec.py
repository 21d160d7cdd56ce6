"""The five memory modules as policies see them, in the order in which they run."""

from __future__ import annotations

from ..values import ModuleSpec
from .modules import entities, summary, times, topics
from .modules import filter as filtering

MODULES: tuple[ModuleSpec, ...] = (
    filtering.SPEC,
    entities.SPEC,
    times.SPEC,
    topics.SPEC,
    summary.SPEC,
)
