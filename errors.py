"""The errors of Callboard, by what the caller can do about them.

    CallboardError
    ├── ConfigurationError     mend a setting, a file or an installation
    ├── InvalidInput           send another query, agent or argument
    ├── UnknownName            name an agent, run or model that exists
    ├── BudgetExceeded         allow more money, or ask for less
    ├── ModelUnavailable       wait, or use another model
    ├── BadModelOutput         ask again, or use a better model
    ├── TimedOut               allow more time
    ├── Busy                   wait a moment, then ask again
    └── StoreError             mend or upgrade the database

Every message says what went wrong, with which value, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable


class CallboardError(Exception):
    """The root of all errors that Callboard raises on purpose."""


class ConfigurationError(CallboardError):
    """A setting, a file or an installation does not fit."""


class InvalidInput(CallboardError):
    """What the caller handed in can't be used; nothing was changed.

    `field` is the path of the field that is wrong, where it is one of an agent: `limits.timeout_s`.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class UnknownName(CallboardError):
    """No agent, run or model has this name."""


class BudgetExceeded(CallboardError):
    """The money left does not cover the call; nothing was spent on it."""


class ModelUnavailable(CallboardError):
    """A model did not answer: endpoint down, key refused, rate limit.

    `transient` says whether the same call may succeed a little later.
    """

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class BadModelOutput(CallboardError):
    """A model answered with something that can't be used."""


class TimedOut(CallboardError):
    """Something took longer than it may."""


class Busy(CallboardError):
    """There is no room for another query now; nothing was stored."""


class StoreError(CallboardError):
    """The database can't be opened or reached, is from another version, or is damaged.

    `transient` says whether the same may succeed a little later: the connection was lost, the
    server starts again, or a lock was held for too long.
    """

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ': did you mean X?' for a mistyped name, or '.' where nothing is near."""
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f": did you mean {near[0]!r}?" if near else "."
