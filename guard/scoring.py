"""Where classifiers are asked: a few threads of their own, a queue for each classifier, and a time for each answer.

Rules of this file
1. Who asks waits no longer than its time; what has not answered by then is `unavailable`, never safe.
2. What waited too long in the queue is not computed any more.
3. Windows that wait together are computed together only by a classifier that says that its scores do not depend on it
   (`exact_batches`); any other is asked for one after the other.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar, runtime_checkable

from guard.verdict import Category, Unavailable

THREADS: Final = 8
"""More than cores, because a served judge only waits."""
TOGETHER: Final = 16
"""Windows in one batch."""
DEADLINE: Final = "deadline"
NOT_COVERED: Final = "not covered"
_UNCOVERED: Final = frozenset({"HAE-S404", "HAE-S506"})
Answer = TypeVar("Answer")


@runtime_checkable
class Batched(Protocol):
    """A classifier whose batches are exact when `exact_batches` says so."""

    exact_batches: bool

    def score_many(self, texts: Sequence[str]) -> Sequence[Mapping[Category, float]]:
        """The scores of each text, equal to what `score` gives it alone."""
        ...


@dataclass(slots=True)
class Job(Generic[Answer]):
    """One question. text: what a batch would be given; None when it cannot be part of one."""

    work: Callable[[], Answer]
    until: float
    text: str | None = None
    done: Future[Answer] = field(default_factory=Future)


class ScoringDesk:
    """Takes questions, hands out answers. Starts its threads with the first question."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._queues: dict[Hashable, deque[Job[Any]]] = {}

    def submit(self, classifier: object, job: Job[Any]) -> None:
        """Queue a question for a classifier."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="haechi-scores")
            queue = self._queues.setdefault(id(classifier), deque())
            queue.append(job)
        self._pool.submit(self._serve, classifier, queue)

    def wait(self, name: str, job: Job[Answer]) -> Answer | Unavailable:
        """The answer to a queued question, or why there is none. name: of the classifier, for operators."""
        try:
            return job.done.result(max(0.0, job.until - time.monotonic()))
        except FutureTimeout:
            job.done.cancel()
            return Unavailable(name, DEADLINE)
        except Exception as error:  # noqa: BLE001  # a classifier may fail in any way; its silence is a value
            uncovered = getattr(error, "code", "") in _UNCOVERED
            return Unavailable(name, NOT_COVERED if uncovered else type(error).__name__)

    def _serve(self, classifier: object, queue: deque[Job[Any]]) -> None:
        """Answer what waits, as much as goes together; called once for every question, so that none is left."""
        many = isinstance(classifier, Batched) and classifier.exact_batches
        jobs = self._take(queue, TOGETHER if many else 1)
        if len(jobs) > 1 and isinstance(classifier, Batched):
            self._together(classifier, jobs)
            return
        for job in jobs:
            _answer(job)

    def _take(self, queue: deque[Job[Any]], most: int) -> list[Job[Any]]:
        """The next jobs that somebody still waits for; several only if all can be part of a batch."""
        taken: list[Job[Any]] = []
        with self._lock:
            while queue and len(taken) < most:
                if taken and (queue[0].text is None or taken[0].text is None):
                    break
                job = queue.popleft()
                if job.until >= time.monotonic() and job.done.set_running_or_notify_cancel():
                    taken.append(job)
        return taken

    def _together(self, classifier: Batched, jobs: list[Job[Any]]) -> None:
        try:
            answers = classifier.score_many([job.text or "" for job in jobs])
        except Exception:  # noqa: BLE001  # one bad text must not silence its neighbours: each is asked alone
            for job in jobs:
                _answer(job)
            return
        for job, answer in zip(jobs, answers, strict=True):
            job.done.set_result(answer)


def _answer(job: Job[Any]) -> None:
    try:
        job.done.set_result(job.work())
    except Exception as error:  # noqa: BLE001  # carried to who asked, who makes a value of it
        job.done.set_exception(error)
