"""Servers of tools that speak the Model Context Protocol: `[mcp.NAME]`.

A server is a command that is started here and spoken to over its standard input and output, or an
address that is spoken to over HTTP. What it must know in secret stands in the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from .environment import headers_in
from .errors import ConfigurationError
from .model_settings import Section
from .redaction import HIDDEN, redact

NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
"""What a server may be called."""

SECRET_CHARS = 8
"""A value of the environment this long is kept out of logs; shorter ones are words of any text."""

Which: TypeAlias = bool | tuple[str, ...]
"""All tools of a server, none of them, or those that are named."""


class McpSettings(Section):
    """One server: `command` with `args` and the names of the variables in `env`, or a `url`.

    A command gets the variables that every program needs (PATH, HOME) and those named in `env`.
    `headers_env` names the variable that holds headers: `name=value,name=value`.
    """

    command: str | None = Field(default=None, min_length=1)
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    url: str | None = None
    headers_env: str | None = None
    timeout_s: float = Field(default=30.0, gt=0, le=3600, allow_inf_nan=False)
    """For starting it, and for every call."""
    idempotent: Which = False
    """Tools that may be called again after a crash in the middle of a call."""
    approve: Which = False
    """Tools before whose call the Board's approver is asked."""

    @model_validator(mode="before")
    @classmethod
    def _one_way_to_reach_it(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        if ("command" in given) == ("url" in given):
            raise ValueError("a server needs either a command or a url; set one of them.")
        way, other = ("command", "url") if "command" in given else ("url", "command")
        strange = {"command": ("headers_env",), "url": ("args", "env")}[way]
        stray = next((key for key in strange if key in given), None)
        if stray is not None:
            raise ValueError(f"{stray} belongs to a {other}, and a {way} is set; remove one.")
        return given

    @model_validator(mode="after")
    def _the_address_holds_no_secret(self) -> McpSettings:
        if self.url is None:
            return self
        address = urlsplit(self.url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError("url is no address; write it as 'http://127.0.0.1:8000/mcp'.")
        if "@" in address.netloc:
            raise ValueError(
                "url holds a name or password that all would see; put it into an environment "
                "variable as a header, and name that as headers_env."
            )
        return self

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Show no secret that stands in the address or the arguments after all."""
        for name, value in super().__repr_args__():
            if name == "url" and self._query:
                yield name, str(value).replace(self._query, HIDDEN)
            elif name == "args":
                yield name, tuple(redact(one) for one in self.args)
            else:
                yield name, value

    def environment(self, name: str) -> dict[str, str]:
        """Return the variables that `env` names, as they are now; `name` is that of the server.

        Raises:
            ConfigurationError: one is not set.
        """
        missing = next((one for one in self.env if one not in os.environ), None)
        if missing is not None:
            raise ConfigurationError(
                f"[mcp.{name}] env names the environment variable {missing!r}, which is not set. "
                "Set it, or remove it there."
            )
        return {one: os.environ[one] for one in self.env}

    def headers(self, name: str) -> dict[str, str]:
        """Return the headers that `headers_env` names, as they are now.

        Raises:
            ConfigurationError: the variable holds none.
        """
        return headers_in(self.headers_env, section=f"mcp.{name}")

    def secrets(self) -> tuple[str, ...]:
        """Return what the environment holds for the server, and must not be shown."""
        held = [os.environ.get(one, "") for one in self.env]
        pairs = os.environ.get(self.headers_env or "", "")
        headers = [pair.partition("=")[2].strip() for pair in pairs.split(",")]
        keys = [value.rpartition(" ")[2] for value in headers]  # of 'Bearer KEY', the KEY
        found = (*held, pairs, *headers, *keys, self._query)
        return tuple(one for one in found if len(one) >= SECRET_CHARS)

    @property
    def _query(self) -> str:
        return urlsplit(self.url or "").query


def includes(which: Which, tool: str) -> bool:
    """Say whether a tool is one of those meant."""
    return which if isinstance(which, bool) else tool in which
