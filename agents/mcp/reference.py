"""How an agent names tools of a server, and what a model calls them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import chain, count

from ...errors import InvalidInput, nearest
from ..spec import MCP

NAME_CHARS = 64
"""Of the name of a tool, at most; OpenAI's protocol allows no more."""

_STRANGE = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A tool of a server; `tool` None: all that it has."""

    server: str
    tool: str | None

    def __str__(self) -> str:
        return f"{MCP}{self.server}" + (f"/{self.tool}" if self.tool else "")


def references(refs: Iterable[str]) -> tuple[Reference, ...]:
    """Return those of an agent's `tools` that are tools of servers."""
    found = (ref.removeprefix(MCP).partition("/") for ref in refs if ref.startswith(MCP))
    return tuple(Reference(server=server, tool=tool or None) for server, _, tool in found)


def check_servers(refs: Iterable[str], servers: Collection[str]) -> None:
    """See that the servers that `refs` name are configured; whether they run is not asked.

    Raises:
        InvalidInput: one is not.
    """
    for ref in references(refs):
        if ref.server not in servers:
            raise InvalidInput(
                f"{str(ref)!r}: there is no server {ref.server!r}{nearest(ref.server, servers)} "
                f"Add [mcp.{ref.server}] to the settings, or name one of: "
                f"{', '.join(sorted(servers)) or 'none is configured'}."
            )


def model_name(server: str, tool: str, taken: Collection[str]) -> str:
    """Return what a model calls a tool of a server; `taken` are names that others have."""
    plain = _STRANGE.sub("_", f"{server}_{tool}")
    names = chain((plain[:NAME_CHARS],), (f"{plain[: NAME_CHARS - 4]}_{n}" for n in count(2)))
    return next(name for name in names if name not in taken)
