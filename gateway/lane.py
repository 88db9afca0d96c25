"""Where the guard's work is done: short texts on the event loop, long ones on a few threads of their own.

Work that asks a classifier mostly waits for an answer, up to the policy's deadline. It has threads of its own, more of
them, so that a slow model stops neither the loop nor the requests that ask no model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

Result = TypeVar("Result")
WAITING: Final = 64
"""Texts that may wait for classifiers at once; what computes has fewer threads, see guard/scoring.py."""


class GuardLane:
    """A bounded pool for long texts, so that one of them does not stop every other stream."""

    def __init__(self, *, threads: int, inline_chars: int) -> None:
        """threads: at once. inline_chars: up to this many characters a thread costs more than it saves."""
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="haechi-guard")
        self._waiting = ThreadPoolExecutor(max_workers=WAITING, thread_name_prefix="haechi-judged")
        self._inline_chars = inline_chars

    async def run(self, characters: int, work: Callable[[], Result], *, waits: bool = False) -> Result:
        """Do the work, here or on a thread. Cancelled, it still waits for a thread that has begun: its text is in use.

        waits: whether the work may ask a classifier.
        """
        if characters <= self._inline_chars and not waits:
            return work()
        done = asyncio.get_running_loop().run_in_executor(self._waiting if waits else self._pool, work)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            if not done.done():
                await asyncio.wait([done])
            raise

    def close(self) -> None:
        """Let running work finish, start no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._waiting.shutdown(wait=False, cancel_futures=True)
