"""Values to JSON and back, by their types.

One adapter per type, built once; `Decimal` travels as a string, so that no cent is lost.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

from .values import JSON

T = TypeVar("T")


@lru_cache(maxsize=256)
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(Any, kind))


def to_json(value: object, kind: Hashable | None = None) -> JSON:
    """Return `value` as JSON-ready dicts, lists, strings and numbers."""
    return _adapter(kind or cast(Hashable, type(value))).dump_python(value, mode="json")


def from_json(kind: type[T], data: JSON) -> T:
    """Return the value of type `kind` that `to_json` wrote as `data`."""
    value: T = _adapter(cast(Hashable, kind)).validate_python(data)
    return value
