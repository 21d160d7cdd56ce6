"""A Ray cluster on this machine alone, to which nodes are added and of which nodes are killed.

What Ray reads when it is imported is set in conftest.py.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest


class RayCluster:
    """A head with one CPU; use it as a context manager. Nothing of it is left at the end."""

    def __init__(self) -> None:
        self.processes: list[Any] = []
        self._ending = ExitStack()

    def __enter__(self) -> RayCluster:
        with ExitStack() as ending:
            folder = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
            environment = pytest.MonkeyPatch()
            ending.callback(environment.undo)
            environment.setenv("RAY_TMPDIR", ending.enter_context(folder))
            # The processes of the cluster find the modules of the tests.
            environment.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
            from ray.cluster_utils import Cluster

            self._cluster = Cluster()
            ending.callback(self._stop)
            self.add_node(include_dashboard=False)
            self._ending = ending.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.close()

    def _stop(self) -> None:
        self._cluster.shutdown()
        for process in self.processes:
            process.wait(timeout=30)

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add_node(self, **options: Any) -> Any:
        """Add a node with one CPU, and return it."""
        node = self._cluster.add_node(
            num_cpus=1,
            node_ip_address="127.0.0.1",
            object_store_memory=80 * 1024 * 1024,
            **options,
        )
        for infos in node.all_processes.values():
            self.processes += [info.process for info in infos]
        return node

    def kill(self, node: Any) -> None:
        """Kill a node and all that runs on it, at once."""
        self._cluster.remove_node(node, allow_graceful=False)
