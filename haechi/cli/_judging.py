"""Judge many texts in their order; where a model is asked, several at the same time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from haechi.base.errors import UnreadableInput

if TYPE_CHECKING:
    from guard.checker import SafetyChecker
    from guard.verdict import Verdict

Tag = TypeVar("Tag")
_AHEAD: Final = 64
"""Texts that are judged ahead of the one that is answered next."""


@dataclass(frozen=True, slots=True)
class Grounded:
    """A text with what its claims are held against, and what it answers."""

    text: str
    evidence: Sequence[str | Mapping[str, str]] = ()
    question: str = ""


def in_order(
    checker: SafetyChecker, direction: str, texts: Iterable[tuple[Tag, str | Grounded]]
) -> Iterator[tuple[Tag, Verdict]]:
    """The verdict on each text with what came beside it, in the order of the texts.

    Where `texts` breaks off with an error, what came before it is answered first.
    """

    def judge(asked: str | Grounded) -> Verdict:
        if isinstance(asked, str):
            return checker.check(asked, direction=direction)
        return checker.check(asked.text, direction=direction, evidence=asked.evidence, question=asked.question)

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
        except UnreadableInput:
            yield from ((first, verdict.result()) for first, verdict in under_way)
            raise
        else:
            yield from ((first, verdict.result()) for first, verdict in under_way)
        finally:
            pool.shutdown(cancel_futures=True)
