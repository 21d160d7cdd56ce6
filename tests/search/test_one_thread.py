from __future__ import annotations

from collections.abc import Callable
from threading import Thread

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

from callboard.search import one_thread


def blas_threads() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def elsewhere(work: Callable[[], None]) -> None:
    thread = Thread(target=work)
    thread.start()
    thread.join()


@pytest.fixture
def two_threads() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    with threadpool_limits(limits=2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("this BLAS has one thread")


def test_one_thread_computes_while_somebody_holds_it(two_threads: None) -> None:
    usual = blas_threads()
    for _ in range(2):  # The second time from another thread, while the first one lives on.
        one_thread.hold()
        elsewhere(one_thread.hold)
        assert blas_threads() == {1}
        one_thread.release()
        assert blas_threads() == {1}
        elsewhere(one_thread.release)
        assert blas_threads() == usual
    elsewhere(one_thread.hold)
    assert blas_threads() == {1}
    one_thread.release()
    assert blas_threads() == usual
