"""A Ray cluster on this machine alone, to which nodes are added and of which nodes are killed.

What Ray reads when it is imported is set in conftest.py.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any


class RayCluster:
    """A head with one CPU; use it as a context manager. Nothing of it is left at the end."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
        self._path = os.environ.get("PYTHONPATH")
        self.processes: list[Any] = []

    def __enter__(self) -> RayCluster:
        # The processes of the cluster find the modules of the tests.
        here = str(Path(__file__).parent)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (here, self._path)))
        from ray.cluster_utils import Cluster

        self._cluster = Cluster()
        self.add_node(include_dashboard=False, temp_dir=self._folder.name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._cluster.shutdown()
        for process in self.processes:
            process.wait(timeout=30)
        self._folder.cleanup()
        if self._path is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = self._path

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
