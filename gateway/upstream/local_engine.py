"""The thread that owns the model: admits requests, reads prompts in pieces, and writes all answers a token at a time.

Rules of this file
1. Only this thread touches the model. Others reach it through `submit`, `Job.cancel` and `close`.
2. Between two steps, in this order: drop what was cancelled, admit what fits, read one piece of one prompt, write one
   token of every answer. So no request waits for another's end, and a cancelled one stops within one step.
3. A job's last event is `Released`, whatever happens: when it arrives, its place and its memory are free.
4. A fault of the model ends the jobs that were in it, and nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from gateway.upstream.errors import ContextTooLong, GenerationFailed, ModelClosed, NotEnoughMemory, TooManyWaiting
from gateway.upstream.local_batch import Rows, SeparateRows, SharedRows, can_share, forward, fresh_cache
from gateway.upstream.local_sampling import Chooser, Chosen
from gateway.upstream.local_text import AnswerText, Delta
from gateway.upstream.ports import Json, UpstreamError

logger = logging.getLogger("haechi.gateway.model")


@dataclass(frozen=True, slots=True)
class Piece:
    """New text of one answer. finish: why it ended (`stop`, `length`), "" while it goes on. tokens: written so far."""

    index: int
    delta: Delta
    finish: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The job ends with an error."""

    error: UpstreamError


@dataclass(frozen=True, slots=True)
class Released:
    """The job holds nothing any more; no event follows."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Bounds of one engine.

    rows: answers written at once; a step with 8 rows costs about twice one with 1 on a CPU.
    waiting: jobs that may wait for a place.
    context: longest prompt and answer together, in tokens; the model's own limit.
    memory_tokens: columns times rows that the cache may hold, from the memory that was free after loading.
    piece: prompt tokens read between two written tokens; about a tenth of a second of a 0.1 B model on one core.
    """

    rows: int = 8
    waiting: int = 64
    context: int = 2_048
    memory_tokens: int = 1 << 20
    piece: int = 128


@dataclass(eq=False, slots=True)
class Job:
    """One request as the engine sees it.

    prompt: token ids. longest: tokens of each answer at most. ends: token ids that end an answer.
    emit: called in the engine's thread with each event; must not block; answers False when nobody listens any more.
    describe: makes OpenAI's log-probability object of a choice.
    """

    prompt: list[int]
    longest: int
    ends: frozenset[int]
    choosers: Sequence[Chooser]
    texts: Sequence[AnswerText]
    emit: Callable[[object], bool]
    describe: Callable[[Chosen], Json] | None = None
    cancelled: bool = False

    @property
    def columns(self) -> int:
        """The most tokens one of its rows can hold."""
        return len(self.prompt) + self.longest

    def cancel(self) -> None:
        """End it within one step. Any thread."""
        self.cancelled = True


@dataclass(eq=False, slots=True)
class _Row:
    """One answer being written."""

    job: Job
    index: int
    written: int = 0
    token: int = 0
    ended: bool = False


@dataclass(eq=False, slots=True)
class _Reading:
    """The prompt being read."""

    job: Job
    cache: Any
    done: int = 0


@dataclass(slots=True)
class _State:
    """What the engine's thread works on."""

    waiting: deque[Job] = field(default_factory=deque)
    reading: _Reading | None = None
    rows: list[_Row] = field(default_factory=list)

    def jobs(self) -> list[Job]:
        """Jobs that hold a place."""
        held = {id(row.job): row.job for row in self.rows}
        if self.reading is not None:
            held[id(self.reading.job)] = self.reading.job
        return list(held.values())


class Engine:
    """Writes answers with one model."""

    def __init__(self, model: Any, limits: EngineLimits, *, threads: int | None = None) -> None:
        """threads: processor threads for the arithmetic; None leaves torch's own choice."""
        self._model = model
        self._limits = limits
        self._threads = threads
        self._shared = can_share(model)
        self._rows: Rows = self._no_rows()
        self._state = _State()
        self._inbox: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="haechi-model", daemon=True)
        self._thread.start()

    @property
    def limits(self) -> EngineLimits:
        """The bounds it keeps."""
        return self._limits

    @property
    def batched(self) -> bool:
        """Whether answers share each step of the model."""
        return self._shared

    @property
    def places_taken(self) -> int:
        """Answers being written now."""
        return len(self._state.rows)

    def submit(self, job: Job) -> None:
        """Queue a job. Any thread; does not block.

        Raises:
            ContextTooLong: it can never fit into the memory set aside for answers.
            TooManyWaiting: the queue is full.
            ModelClosed: `close` was called.
        """
        most = self._limits.memory_tokens // len(job.texts)
        if job.columns > most:
            raise ContextTooLong(
                f"prompt and answers need room for {job.columns} tokens each, and this machine has memory for {most}",
                param="messages",
                hint="shorten the prompt, or ask for fewer tokens or choices",
            )
        with self._changed:
            if self._closing:
                raise ModelClosed("the model is shutting down")
            if len(self._inbox) + len(self._state.waiting) >= self._limits.waiting:
                raise TooManyWaiting("too many requests wait for the model", hint="try again later")
            self._inbox.append(job)
            self._changed.notify()

    def close(self) -> None:
        """End every job and the thread. Blocks for at most one step."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _no_rows(self) -> Rows:
        return SharedRows(self._model) if self._shared else SeparateRows(self._model)

    def _run(self) -> None:
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        with torch.inference_mode():
            while self._wait():
                try:
                    self._tick()
                except Exception as error:  # noqa: BLE001  # the thread's boundary: a fault ends its jobs, not the server
                    self._fail(error)
        self._end(ModelClosed("the model is shutting down"))

    def _wait(self) -> bool:
        """Take what was submitted; sleep while there is nothing to do. False when closing."""
        state = self._state
        with self._changed:
            while not (self._closing or self._inbox or state.waiting or state.reading or state.rows):
                self._changed.wait()
            state.waiting.extend(self._inbox)
            self._inbox.clear()
            return not self._closing

    def _tick(self) -> None:
        self._drop_cancelled()
        self._admit()
        self._read()
        self._write()

    def _drop_cancelled(self) -> None:
        state = self._state
        for job in [job for job in state.waiting if job.cancelled]:
            state.waiting.remove(job)
            job.emit(Released())
        if state.reading is not None and state.reading.job.cancelled:
            gone, state.reading = state.reading.job, None
            gone.emit(Released())
        self._settle()

    def _settle(self) -> None:
        """Free the rows that ended or were cancelled, and say so to jobs that have none left."""
        state = self._state
        kept = [place for place, row in enumerate(state.rows) if not (row.ended or row.job.cancelled)]
        if len(kept) == len(state.rows):
            return
        before = state.jobs()
        self._rows.keep(kept)
        state.rows = [state.rows[place] for place in kept]
        after = {id(job) for job in state.jobs()}
        for job in before:
            if id(job) not in after:
                job.emit(Released())

    def _admit(self) -> None:
        state = self._state
        if state.reading is not None or not state.waiting:
            return
        job = state.waiting[0]
        rows = len(state.rows) + len(job.texts)
        columns = max([job.columns, *(row.job.columns for row in state.rows)])
        if rows <= self._limits.rows and (rows * columns <= self._limits.memory_tokens or not state.rows):
            state.waiting.popleft()
            state.reading = _Reading(job, fresh_cache(self._model, shared=self._shared))

    def _read(self) -> None:
        """One piece of the prompt; after the last, its answers join the rows with their first token."""
        reading = self._state.reading
        if reading is None:
            return
        job = reading.job
        piece = job.prompt[reading.done : reading.done + self._limits.piece]
        logits = forward(self._model, torch.tensor([piece]), reading.cache)
        reading.done += len(piece)
        if reading.done < len(job.prompt):
            return
        rows = [_Row(job, index) for index in range(len(job.texts))]
        self._rows.join(reading.cache, reading.done, len(rows))
        self._state.rows += rows
        self._state.reading = None
        for row in rows:
            self._advance(row, logits[0])
        self._settle()

    def _write(self) -> None:
        """One token of every answer."""
        rows = self._state.rows
        if not rows:
            return
        logits = self._rows.step([row.token for row in rows])
        for row, scores in zip(rows, logits, strict=True):
            if not row.job.cancelled:
                self._advance(row, scores)
        self._settle()

    def _advance(self, row: _Row, scores: torch.Tensor) -> None:
        """Choose the next token of a row and say what it brings."""
        job, text = row.job, row.job.texts[row.index]
        chosen = job.choosers[row.index].choose(scores)
        row.token = chosen.token
        row.written += 1
        finish = ""
        if chosen.token in job.ends:
            delta, finish = text.finish(), "stop"
        else:
            delta = text.push(chosen.token, job.describe(chosen) if job.describe is not None else None)
            if text.is_stopped():
                finish = "stop"
            elif row.written >= job.longest:
                last = text.finish()
                delta = Delta(
                    delta.reasoning + last.reasoning, delta.content + last.content, delta.logprobs + last.logprobs
                )
                finish = "stop" if text.is_stopped() else "length"
        row.ended = bool(finish)
        if (finish or delta != Delta()) and not job.emit(Piece(row.index, delta, finish, row.written)):
            job.cancel()

    def _fail(self, error: Exception) -> None:
        logger.error("the model failed while writing: %s", type(error).__name__, exc_info=error)
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            told: UpstreamError = NotEnoughMemory("the model ran out of memory", status=503)
        else:
            told = GenerationFailed("the model broke off")
        for job in self._state.jobs():
            job.emit(Failed(told))
            job.emit(Released())
        self._state.reading, self._state.rows = None, []
        self._rows = self._no_rows()

    def _end(self, error: UpstreamError) -> None:
        with self._changed:
            left = [*self._state.jobs(), *self._state.waiting, *self._inbox]
            self._inbox.clear()
        for job in left:
            job.emit(Failed(error))
            job.emit(Released())
        self._state = _State()
        self._rows = self._no_rows()
