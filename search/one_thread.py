"""Linear algebra on one thread for as long as a board reads queries.

BLAS threads that wait for each other take 50 ms instead of 1 on a busy machine. Their number is the
process's, not a board's: the first board limits it, and the last one restores what was.
"""

from __future__ import annotations

from threading import Lock

from threadpoolctl import OpenBLASController, threadpool_limits  # type: ignore[import-untyped]

_lock = Lock()
_holders = 0
_limits: threadpool_limits | None = None


def hold() -> None:
    """Keep BLAS to one thread until `release` was called as often."""
    global _holders, _limits
    with _lock:
        if _limits is None:
            _limits = threadpool_limits(limits=1, user_api="blas")
        _holders += 1


def release() -> None:
    """Take one `hold` back."""
    global _holders, _limits
    with _lock:
        _holders -= 1
        if _holders == 0 and _limits is not None:
            _any_thread_may_set()
            _limits.restore_original_limits()
            _any_thread_may_set()
            _limits = None


def _any_thread_may_set() -> None:
    # threadpoolctl ignores all threads but the first, as long as that one lives.
    OpenBLASController.clear_controlling_thread(force=True)
