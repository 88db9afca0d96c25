"""Judge many texts in their order; where a model is asked, several at the same time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from guard.checker import SafetyChecker
    from guard.verdict import Verdict

Tag = TypeVar("Tag")
_AHEAD: Final = 64
"""Texts that are judged ahead of the one that is answered next."""


def in_order(checker: SafetyChecker, direction: str, texts: Iterable[tuple[Tag, str]]) -> Iterator[tuple[Tag, Verdict]]:
    """The verdict on each text with what came beside it, in the order of the texts."""
    judge = partial(checker.check, direction=direction)
    if not checker.waits(direction):
        for tag, text in texts:
            yield tag, judge(text)
        return
    under_way: deque[tuple[Tag, Future[Verdict]]] = deque()
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="haechi-check") as pool:
        try:
            for tag, text in texts:
                under_way.append((tag, pool.submit(judge, text)))
                while len(under_way) > _AHEAD or (under_way and under_way[0][1].done()):
                    first, verdict = under_way.popleft()
                    yield first, verdict.result()
            for first, verdict in under_way:
                yield first, verdict.result()
        finally:
            pool.shutdown(cancel_futures=True)
