"""Addresses that only this machine reaches."""

from __future__ import annotations

import ipaddress


def is_local(host: str) -> bool:
    """Tell whether only this machine reaches what listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
