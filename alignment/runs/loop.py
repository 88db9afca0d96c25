"""The loop every run goes through: step, look, log, save.

Randomness: before each step the generators are seeded from (seed, step), so a step is a function of the weights and
its number. There is no generator state to save, and resuming cannot replay or skip any of it.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TextIO

import torch

from alignment.errors import MemoryExhausted, TrainingDiverged
from alignment.recipe import Recipe
from alignment.runs import checkpoint
from alignment.runs.folder import RunFolder, line_of
from alignment.runs.tracking import following

Metrics = dict[str, float]


class Trainer(Protocol):
    """An algorithm, seen from the loop."""

    def step(self, number: int) -> Metrics:
        """Do step `number` (from 0) and measure it. The key `loss` must be finite."""

    def state(self) -> tuple[Mapping[str, Any], Mapping[str, float]]:
        """Tensors and numbers that the next step depends on."""

    def restore(self, tensors: Mapping[str, Any], numbers: Mapping[str, float]) -> None:
        """Take back what `state` gave."""


class NotFinite(ArithmeticError):
    """Raised by a trainer before it writes a bad gradient into the weights; lines: the rows of the batch."""

    def __init__(self, what: str, lines: Sequence[int]) -> None:
        super().__init__(what)
        self.what = what
        self.lines = list(lines)


def run_loop(run: RunFolder, recipe: Recipe, trainer: Trainer, *, progress: Progress | None = None) -> None:
    """Train until `optim.steps`, from the newest checkpoint of the run.

    Raises:
        TrainingDiverged: the loss or a gradient is not finite; the last good state has been saved.
        MemoryExhausted: a step did not fit.
    """
    start = 0
    newest = run.latest()
    if newest is not None:
        trainer.restore(newest.tensors, newest.numbers)
        start = newest.step
    total = recipe.optim.steps
    with run.log_from(start) as log, following(run.path, recipe, start) as tell:
        for number in range(start, total):
            seed_step(recipe.run.seed, number)
            metrics = _guarded(trainer, number, lambda done=number: _save(run, recipe, trainer, done))  # type: ignore[misc]
            done = number + 1
            log.write(line_of({"step": done, **metrics}))
            log.flush()
            tell(done, metrics)
            if done % recipe.run.save_every == 0 or done == total:
                _save(run, recipe, trainer, done)
            if progress is not None:
                progress.show(done, metrics)


def seed_step(seed: int, step: int) -> None:
    """Seed torch's generators for one step."""
    torch.manual_seed((seed * 1_000_003 + step) % 2**63)


def _save(run: RunFolder, recipe: Recipe, trainer: Trainer, done: int) -> None:
    tensors, numbers = trainer.state()
    checkpoint.save(run.checkpoints, checkpoint.State(done, tensors, numbers), keep=recipe.run.keep)


def _guarded(trainer: Trainer, number: int, save: Callable[[], None]) -> Metrics:
    try:
        return trainer.step(number)
    except NotFinite as error:
        save()  # the weights are those after the last good step: trainers check before they change them
        lines = ", ".join(map(str, error.lines[:16])) + (" ..." if len(error.lines) > 16 else "")
        raise TrainingDiverged(
            f"{error.what} is not finite in step {number + 1} (lines {lines}); the state before it is saved",
            hint="look at these rows, lower optim.learning_rate, or set run.precision=fp32",
        ) from error
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise MemoryExhausted(
                f"step {number + 1} does not fit into memory",
                hint="lower optim.micro_batch, then data.max_tokens; set model.gradient_checkpointing=true or lora.rank=8",
            ) from error
        raise


class Progress:
    """One line on a terminal, a line now and then elsewhere: step, time left, the figures that matter."""

    def __init__(self, total: int, start: int = 0, stream: TextIO = sys.stderr, *, what: str = "step") -> None:
        self._total, self._start, self._stream, self._what = total, start, stream, what
        self._began = self._shown = time.monotonic()

    def show(self, done: int, metrics: Metrics) -> None:
        """Tell about a finished step."""
        now = time.monotonic()
        live = self._stream.isatty()
        if now - self._shown < (0.2 if live else 5.0) and done != self._total:
            return
        self._shown = now
        left = (now - self._began) / max(done - self._start, 1) * (self._total - done)
        figures = "  ".join(f"{name} {value:.4g}" for name, value in list(metrics.items())[:5] if math.isfinite(value))
        text = f"{self._what} {done}/{self._total}  {_clock(left)} left  {figures}"
        self._stream.write(f"\r\033[K{text}" if live else text + "\n")
        if live and done == self._total:
            self._stream.write("\n")
        self._stream.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
