"""One step of any run that learns from fixed rows: batch, micro-batches, gradient, update.

The gradient of a step is that of the mean over the whole batch, whatever the micro-batch: each row (or, for SFT, each
token) weighs the same. A step with a bad number changes no weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from alignment.optimiser import Stepper, batch_rows
from alignment.recipe import Recipe
from alignment.runs.loop import Metrics, NotFinite


class Encoded(Protocol):
    """A tokenised row."""

    @property
    def line(self) -> int:
        """Its line in the data file."""


ItemT = TypeVar("ItemT", bound=Encoded)
InT = TypeVar("InT", bound=Encoded, contravariant=True)


@dataclass(frozen=True, slots=True)
class Loss:
    """Sums over the rows of a micro-batch.

    total: the loss, summed (not averaged), with gradient. sums: figures to report, summed alike.
    """

    total: Tensor
    sums: Mapping[str, float]


class Objective(Protocol[InT]):
    """What is minimised."""

    def weight(self, item: InT) -> float:
        """How much a row counts in the mean: 1, or its tokens."""

    def loss(self, items: Sequence[InT]) -> Loss:
        """The loss of a micro-batch."""


class SupervisedTrainer(Generic[ItemT]):
    """The Trainer (see alignment.runs.loop) of SFT, reward and DPO runs."""

    def __init__(
        self,
        objective: Objective[ItemT],
        items: Sequence[ItemT],
        stepper: Stepper,
        recipe: Recipe,
        finish: Callable[[Metrics], Metrics] | None = None,
    ) -> None:
        self._objective, self._items, self._stepper, self._recipe = objective, items, stepper, recipe
        self._finish = finish

    def step(self, number: int) -> Metrics:
        values = self._recipe.optim
        picked = batch_rows(len(self._items), values.batch, self._recipe.run.seed, number)
        # Rows of like length together: less padding. The order inside a batch changes no result.
        items = sorted((self._items[i] for i in picked), key=lambda item: (self._objective.weight(item), item.line))
        whole = sum(self._objective.weight(item) for item in items)
        sums: Metrics = {}
        for start in range(0, len(items), values.micro_batch):
            part = items[start : start + values.micro_batch]
            loss = self._objective.loss(part)
            value = float(loss.total.detach())
            if not math.isfinite(value):
                self._stepper.clear()
                raise NotFinite("the loss", [item.line for item in part])
            (loss.total / whole).backward()
            for name, figure in {"loss": value, **loss.sums}.items():
                sums[name] = sums.get(name, 0.0) + figure
        metrics = {name: figure / whole for name, figure in sums.items()}
        metrics |= self._stepper.step(number, [item.line for item in items])
        return self._finish(metrics) if self._finish else metrics

    def measure(self, items: Sequence[ItemT]) -> Metrics:
        """The same figures on other rows, without learning."""
        return measure(self._objective, items, batch=self._recipe.optim.micro_batch)

    def state(self) -> tuple[Mapping[str, Any], Mapping[str, float]]:
        return self._stepper.tensors(""), {}

    def restore(self, tensors: Mapping[str, Any], numbers: Mapping[str, float]) -> None:
        self._stepper.restore(tensors, "")


def measure(objective: Objective[ItemT], items: Sequence[ItemT], *, batch: int) -> Metrics:
    """The figures of an objective on rows, without learning; empty without rows. batch: rows at a time."""
    sums: Metrics = {}
    whole = sum(objective.weight(item) for item in items)
    with torch.no_grad():
        for start in range(0, len(items), batch):
            loss = objective.loss(items[start : start + batch])
            for name, figure in {"loss": float(loss.total), **loss.sums}.items():
                sums[name] = sums.get(name, 0.0) + figure
    return {name: figure / whole for name, figure in sums.items()}
