"""The log on stderr: as text or as JSON lines, and never with a secret in it."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from ..config import Settings
from ..redaction import redact
from ..values import JSON

LOGGER = __package__.partition(".")[0]
MCP = "mcp"
"""The library that speaks to servers of tools: what it tells of them may hold their keys."""

_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; what else it has was given as `extra`, and is told."""


class Redacted(logging.Formatter):
    """Lines of text, or with `as_json` one JSON object each, without secrets."""

    def __init__(self, secrets: Sequence[str], *, as_json: bool) -> None:
        super().__init__()
        self._secrets = tuple(secrets)
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        extra = {key: value for key, value in vars(record).items() if key not in _USUAL}
        error = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else None
        if self._as_json:
            line: dict[str, JSON] = {
                "time": at,
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": record.getMessage(),
                **extra,
            }
            if error is not None:
                line["error"] = error
            text = json.dumps(line, ensure_ascii=False, default=str)
        else:
            told = "".join(f" {key}={value}" for key, value in extra.items())
            text = f"{at} {record.levelname} {record.name}: {record.getMessage()}{told}"
            text += f"\n{error}" if error else ""
        return redact(text, self._secrets)


class _Stderr(logging.Handler):
    """Writes to what is stderr at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError):  # nobody reads it any more
            sys.stderr.write(f"{self.format(record)}\n")


def log_to_stderr(settings: Settings) -> None:
    """Send Callboard's log to stderr in the form that the settings want; called again: anew."""
    telemetry = settings.telemetry
    handler = _Stderr()
    handler.setFormatter(Redacted(settings.secrets(), as_json=telemetry.logs == "json"))
    for name in (LOGGER, MCP):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(telemetry.log_level.upper())
