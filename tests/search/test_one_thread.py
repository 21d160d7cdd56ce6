from __future__ import annotations

import subprocess
import sys

SCRIPT = """
from threading import Thread
import numpy as np
from threadpoolctl import threadpool_info
from callboard.search import one_thread

def blas_threads():
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

def elsewhere(work):
    thread = Thread(target=work)
    thread.start()
    thread.join()

np.ones((2, 2)) @ np.ones((2, 2))
usual = blas_threads()
for _ in range(2):  # The second time from another thread, while the first one lives on.
    one_thread.hold()
    elsewhere(one_thread.hold)
    assert blas_threads() == {1}
    one_thread.release()
    assert blas_threads() == {1}
    elsewhere(one_thread.release)
    assert blas_threads() == usual, usual
elsewhere(one_thread.hold)
assert blas_threads() == {1}
one_thread.release()
assert blas_threads() == usual, usual
"""


def test_one_thread_computes_while_somebody_holds_it() -> None:
    # In a process of its own: the boards of other tests hold it in this one.
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
