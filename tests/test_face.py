"""What `import callboard` offers: the names that users rely on."""

from __future__ import annotations

import callboard

FACE = [
    "Agent",
    "AnswerDelta",
    "BadModelOutput",
    "Board",
    "BudgetExceeded",
    "Busy",
    "CallboardError",
    "Candidate",
    "ConfigurationError",
    "Decided",
    "Decision",
    "Done",
    "Draft",
    "EVERYONE",
    "Event",
    "Exchange",
    "Feedback",
    "InvalidInput",
    "ModelUnavailable",
    "Remembered",
    "Run",
    "Scope",
    "ScriptedModel",
    "Settings",
    "Step",
    "StepEnded",
    "StepStarted",
    "StoreError",
    "TimedOut",
    "UnknownName",
    "Usage",
    "__version__",
    "load_settings",
    "tool",
]


def test_the_face_is_exactly_this() -> None:
    assert callboard.__all__ == FACE


def test_the_face_is_sorted() -> None:
    assert callboard.__all__ == sorted(callboard.__all__)


def test_every_name_of_the_face_can_be_imported() -> None:
    missing = [name for name in callboard.__all__ if getattr(callboard, name, None) is None]
    assert missing == []


def test_dir_shows_the_face() -> None:
    assert set(FACE) <= set(dir(callboard))


def test_every_public_class_and_function_has_a_docstring() -> None:
    names = [name for name in callboard.__all__ if name != "__version__"]
    assert [name for name in names if not getattr(callboard, name).__doc__] == []
