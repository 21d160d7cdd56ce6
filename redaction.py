"""Secrets out of text that is shown, logged or sent on."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "***"

_KEYS = re.compile(
    r"(?i)\b(bearer\s+)?(sk|pk|rk|gsk|xai|key|hf|ghp|glpat|xox[abps])[-_][\w-]{6,}|\bbearer\s+\S+"
)
_USERINFO = re.compile(r"//[^/@\s]+@")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` without `secrets`, what looks like a key, and names and passwords in URLs."""
    return _USERINFO.sub(f"//{HIDDEN}@", _KEYS.sub(HIDDEN, without(text, secrets)))


def without(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without `secrets`, and as it is where it holds none."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    return text
