"""Which machine a figure was measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")


def describe_machine() -> str:
    """Return the system, the processor, how many cores this process may use, and Python."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{platform.system()} {platform.machine()}, {cores} cores of {_processor()}, "
        f"Python {platform.python_version()}"
    )


def resident_mb(pid: int | None = None) -> float:
    """Return how much memory a process has, by default this one; 0: the system does not tell."""
    file = Path(f"/proc/{pid or 'self'}/statm")
    if not file.is_file():
        return 0.0
    return int(file.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _processor() -> str:
    if _CPU_INFO.is_file():
        for line in _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "an unknown processor"
