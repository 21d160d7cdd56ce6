"""What the environment holds for settings that name a variable: secrets never stand in a file."""

from __future__ import annotations

import os

from .errors import ConfigurationError


def headers_in(variable: str | None, *, section: str) -> dict[str, str]:
    """Return the headers that `variable` holds as `name=value,name=value`; None: there are none.

    Raises:
        ConfigurationError: it holds none; `section` is the table of callboard.toml that names it.
    """
    if variable is None:
        return {}
    held = os.environ.get(variable, "").split(",")
    pairs = [pair.partition("=") for pair in held if pair.strip()]
    if not pairs or not all(name.strip() and mark for name, mark, _ in pairs):
        raise ConfigurationError(
            f"[{section}] headers_env: the environment variable {variable!r} holds no "
            "'name=value,name=value'. Set it, or remove headers_env."
        )
    return {name.strip(): value.strip() for name, _, value in pairs}
