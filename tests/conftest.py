"""What holds for every test: no network but this machine, no keys, no settings from outside."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

RAY = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # or Ray binds the machine's own address
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "only-for-tests-only-for-tests-only-for-tests",  # or it writes one into home
}
"""What Ray reads when it is imported."""

_reached: list[str] = []
"""Addresses outside this machine that the running test tried to reach."""


def _is_here(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in (None, "", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(host).split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _guard(event: str, args: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = args[1]
        # A Unix socket's address is a path.
        host = address[0] if isinstance(address, tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0]
    else:
        return
    if not _is_here(host):
        _reached.append(f"{event} {host!r}")
        raise PermissionError(f"A test must not reach {host!r}: only this machine ({event}).")


def pytest_configure(config: pytest.Config) -> None:
    """Forbid the network, and forget settings and keys of whoever runs the tests."""
    sys.addaudithook(_guard)
    for name in list(os.environ):
        if name.startswith("CALLBOARD_") or name.endswith(("_API_KEY", "_API_BASE")):
            del os.environ[name]
    os.environ.update(RAY)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start every test in an empty folder: no callboard.toml, no database of another test."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _network_is_forbidden() -> Iterator[None]:
    """Fail a test that tried to leave this machine, even if something caught the error."""
    _reached.clear()
    yield
    tried, _reached[:] = list(_reached), []
    if tried:
        pytest.fail(f"The test tried to reach the network: {', '.join(tried)}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """Start a PostgreSQL server, once for all tests that need one."""
    from postgres import Postgres

    with Postgres() as server:
        yield server
