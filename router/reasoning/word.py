"""What a model wrote, read tolerantly: JSON or TCAR's tags, with anything around it.

Ids that do not exist or repeat are dropped; `oos` means that no agent fits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...agents.spec import OUT_OF_SCOPE
from ...errors import BadModelOutput

MAX_READ_CHARS = 20_000
_FIELDS = ("agents", "ids", "id", "agent")
_TAGGED_ID = re.compile(r"<id>(.*?)</id>", re.IGNORECASE | re.DOTALL)
_TAGGED_REASON = re.compile(r"<reason>(.*?)</reason>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a model wrote: ids of its list, `oos` among them if it was written, and a reason."""

    ids: tuple[str, ...]
    reason: str

    @property
    def agents(self) -> tuple[str, ...]:
        """The ids without `oos`."""
        return tuple(name for name in self.ids if name != OUT_OF_SCOPE)


def parse(text: str, names: Sequence[str], *, max_agents: int) -> Word:
    """Read a reply: JSON or TCAR's tags, in any case, with anything around it.

    Raises:
        BadModelOutput: no listed agent and no `oos` is named where ids should stand.
    """
    written, reason = _read(text[-MAX_READ_CHARS:])
    known = {name.casefold(): name for name in (OUT_OF_SCOPE, *names)}
    ids = dict.fromkeys(known[entry] for entry in written if entry in known)
    if not ids:
        raise BadModelOutput(
            f"The reasoning router named no agent of its list and not {OUT_OF_SCOPE!r}: "
            f"{text[:200]!r}. A more capable model may be needed for [router] model."
        )
    agents = [name for name in ids if name != OUT_OF_SCOPE][:max_agents]
    kept = tuple(name for name in ids if name in agents or name == OUT_OF_SCOPE)
    return Word(ids=kept, reason=" ".join(reason.split()))


def _read(text: str) -> tuple[list[str], str]:
    """Return the ids, casefolded, and the reason; of several answers the last one counts."""
    answers = [data for data in _objects(text) if any(name in data for name in _FIELDS)]
    if answers:
        data = answers[-1]
        found = next(data[name] for name in _FIELDS if name in data)
        reason = data.get("reason", "")
        return list(_ids(found)), reason if isinstance(reason, str) else ""
    reasons = _TAGGED_REASON.findall(text)
    return list(_ids(_TAGGED_ID.findall(text))), reasons[-1] if reasons else ""


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in `text`, those within others left out."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            data, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
        else:
            yield data
        at = text.find("{", at)


def _ids(found: object) -> Iterator[str]:
    """Yield ids written as a list, as one text with commas, or as objects with an id."""
    if isinstance(found, str):
        for entry in found.split(","):
            yield entry.strip(" \t\r\n`'\"").casefold()
    elif isinstance(found, list):
        for entry in found:
            yield from _ids(entry)
    elif isinstance(found, dict):
        yield from _ids(next((found[name] for name in (*_FIELDS, "name") if name in found), ""))
