"""Callboard: calls the right agents for every query, and keeps every decision open to inspection.

The face is lazy: a name is imported when it is first used, so that `import callboard` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agents.spec import Agent as Agent
    from .agents.tools import tool as tool
    from .board import Board as Board
    from .config import Settings as Settings
    from .config import load_settings as load_settings
    from .errors import BadModelOutput as BadModelOutput
    from .errors import BudgetExceeded as BudgetExceeded
    from .errors import Busy as Busy
    from .errors import CallboardError as CallboardError
    from .errors import ConfigurationError as ConfigurationError
    from .errors import InvalidInput as InvalidInput
    from .errors import ModelUnavailable as ModelUnavailable
    from .errors import StoreError as StoreError
    from .errors import TimedOut as TimedOut
    from .errors import UnknownName as UnknownName
    from .models.scripted import ScriptedModel as ScriptedModel
    from .values import EVERYONE as EVERYONE
    from .values import AnswerDelta as AnswerDelta
    from .values import Candidate as Candidate
    from .values import Decided as Decided
    from .values import Decision as Decision
    from .values import Done as Done
    from .values import Draft as Draft
    from .values import Event as Event
    from .values import Exchange as Exchange
    from .values import Feedback as Feedback
    from .values import Remembered as Remembered
    from .values import Run as Run
    from .values import Scope as Scope
    from .values import Step as Step
    from .values import StepEnded as StepEnded
    from .values import StepStarted as StepStarted
    from .values import Usage as Usage

__version__ = "0.1.0"

_HOME = {
    "Agent": "agents.spec",
    "tool": "agents.tools",
    "Board": "board",
    "Settings": "config",
    "load_settings": "config",
    "ScriptedModel": "models.scripted",
    **dict.fromkeys(
        (
            "BadModelOutput",
            "BudgetExceeded",
            "Busy",
            "CallboardError",
            "ConfigurationError",
            "InvalidInput",
            "ModelUnavailable",
            "StoreError",
            "TimedOut",
            "UnknownName",
        ),
        "errors",
    ),
    **dict.fromkeys(
        (
            "EVERYONE",
            "AnswerDelta",
            "Candidate",
            "Decided",
            "Decision",
            "Done",
            "Draft",
            "Event",
            "Exchange",
            "Feedback",
            "Remembered",
            "Run",
            "Scope",
            "Step",
            "StepEnded",
            "StepStarted",
            "Usage",
        ),
        "values",
    ),
}

__all__ = sorted((*_HOME, "__version__"))


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'callboard' has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return list(__all__)
