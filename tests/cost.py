"""What work costs, measured so that a busy machine and a full memory change little."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def least_cpu(work: Callable[[], object], tries: int = 3) -> float:
    """Least CPU seconds of `tries` runs of `work` on this thread.

    Other threads of the process do not count, and garbage is not collected meanwhile: a collection walks over everything
    that earlier tests left in memory, which after some thousand tests costs more than what is measured.
    """
    gc.collect()
    gc.disable()
    try:
        return min(_cpu(work) for _ in range(tries))
    finally:
        gc.enable()


def _cpu(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began
