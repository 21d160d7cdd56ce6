"""Caches of our functions, which hold what they were called with: often users' words."""

from __future__ import annotations

import inspect
import sys
from functools import _lru_cache_wrapper

_PACKAGE = __package__.partition(".")[0]


def forget_texts() -> None:
    """Empty the caches of our functions: what they were called with are often users' words."""
    ours = [one for name, one in list(sys.modules.items()) if name.partition(".")[0] == _PACKAGE]
    for module in ours:
        for value in list(vars(module).values()):
            if isinstance(value, _lru_cache_wrapper) and inspect.signature(value).parameters:
                value.cache_clear()
