"""Column types that all databases share: instants in UTC, prose, JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Text, TypeDecorator

JSON_VALUE: JSON = JSON(none_as_null=True)
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def utc_now() -> datetime:
    """Return this instant; the clock of a store that was given no other."""
    return datetime.now(UTC)


def storable(text: str) -> str:
    """Return `text` with lone surrogates and NUL replaced by U+FFFD.

    Streamed text can be cut within a surrogate pair, which is not Unicode, and PostgreSQL refuses
    NUL. Neither may cost a turn.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\x00", "\ufffd")


def dump_json(value: Any) -> str:
    """Return JSON text as it is stored."""
    return storable(_JSON.encode(value))


class UtcTime(TypeDecorator[datetime]):
    """An instant: timezone-aware in Python, UTC in the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware datetime into UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone. Use datetime.now(UTC).")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say that what was read is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Prose(TypeDecorator[str]):
    """Text that people or models wrote; stored as `storable` leaves it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what no database can hold."""
        return None if value is None else storable(value)
