"""Starts the service: one process, or several that share an address."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING

from ...config import is_in_memory, load_settings
from ...errors import ConfigurationError
from ..local import is_local
from ..logs import log_to_stderr

if TYPE_CHECKING:
    from fastapi import FastAPI


def serve(
    *,
    host: str,
    port: int,
    workers: int,
    keys: bool,
    config: Path | None,
    ready: Callable[[], None],
) -> None:
    """Serve the API until the process is told to stop; then let turns that go on end.

    Raises:
        ConfigurationError: it would answer other machines without keys; several workers would
            share a database in memory; or a package is missing.
    """
    if not keys and not is_local(host):
        raise ConfigurationError(
            f"Without keys the service listens on this machine only, and {host!r} is not it. "
            "Leave out --no-auth ('callboard keys create' makes keys), or --host."
        )
    try:
        import uvicorn
        from uvicorn.supervisors import Multiprocess
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The service needs the package {error.name!r}. "
            "Install it with: pip install 'callboard[serve]'"
        ) from error
    settings = load_settings(config)
    if workers > 1 and is_in_memory(settings.database_url):
        raise ConfigurationError(
            "Several workers need a database that they share, not one in memory."
        )
    told = uvicorn.Config(
        partial(_service, config, keys, workers == 1),
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=max(1, round(settings.service.drain_s)),
        timeout_worker_healthcheck=60,
    )
    if workers == 1:

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket] | None = None) -> None:
                await super().startup(sockets)
                ready()

        Server(told).run()
        return
    with tempfile.TemporaryDirectory(prefix="callboard-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # read by the workers
        listening = told.bind_socket()
        ready()
        Multiprocess(told, sockets=[listening]).run()


def _service(config: Path | None, keys: bool, alone: bool) -> FastAPI:
    """Build the service in the process that serves it."""
    from .service import service

    settings = load_settings(config)
    log_to_stderr(settings)
    return service(settings, keys_needed=keys, alone=alone)
