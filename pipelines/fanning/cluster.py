"""A Ray cluster: one that is there, or one of this machine alone for as long as it is needed."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ...errors import ConfigurationError
from ...values import JSON
from .work import Place, Work


def fan_out_there(
    work: Work, items: Iterable[JSON | None], place: Place
) -> Iterator[tuple[int, JSON]]:
    """Do the work on a cluster; see `fan_out`."""
    with connected(place):
        from .actors import through_actors

        yield from through_actors(work, items, place.workers or cpus())


@contextmanager
def connected(place: Place) -> Iterator[None]:
    """Join the cluster and leave it at the end; one that this process is in already is kept.

    A cluster that is started here binds the loopback address, has no dashboard, and asks for Ray's
    token as it does by default.

    Raises:
        ConfigurationError: Ray is not installed, or there is no such cluster.
    """
    address = place.address or os.environ.get("RAY_ADDRESS")
    if address is None:
        # Ray would bind the machine's own address; it reads this when it is imported.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"Ray is asked for, and the package {error.name!r} is not installed. "
            "Install it with: pip install 'callboard[ray]'"
        ) from error
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        options |= {"include_dashboard": False, "num_cpus": place.workers}
    try:
        _knock(address)
        ray.init(address or "local", **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigurationError(
            f"The Ray cluster at {address!r} can't be joined ({error}). Run this on a machine of "
            "the cluster, or leave the address out to work on this machine alone."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str | None) -> None:
    """Look whether anybody listens at `host:port`: Ray itself tries for minutes.

    Raises:
        OSError: nobody does.
    """
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit() and "://" not in host:
        socket.create_connection((host, int(port)), timeout=5).close()


def cpus() -> int:
    """Return how many CPUs the cluster has, at least 1."""
    import ray

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, int(resources.get("CPU", 1)))


def machines() -> int:
    """Return on how many machines the cluster's nodes are."""
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return len({node["NodeManagerAddress"] for node in nodes if node["Alive"]})
