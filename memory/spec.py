"""The five memory modules as policies see them, in the order in which they run."""

from __future__ import annotations

from ..values import ModuleSpec
from .modules.entities import ENTITIES
from .modules.filter import FILTER
from .modules.summary import SUMMARY
from .modules.times import TIMES
from .modules.topics import TOPICS

MODULES: tuple[ModuleSpec, ...] = (
    FILTER.spec,
    ENTITIES.spec,
    TIMES.spec,
    TOPICS.spec,
    SUMMARY.spec,
)
