"""Heads on a frozen body, solved: what they minimise is convex, so there is one best answer and no learning rate to find.

The loss is the run's own (Bradley-Terry, margins, centring, costs) plus `ridge / 2 * |w|^2` per head, w in units in which
the differences between answers' states have deviation 1 in each reading. Each ridge is tried by five-fold cross-validation over prompts,
and the one whose left-out loss is lowest is used on all rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from alignment.data.encode import EncodedPair
from alignment.errors import UnusableData
from alignment.reward import RewardObjective
from alignment.runs.loop import Metrics, NotFinite
from alignment.states import KeptStates

RIDGES: Final = (0.1, 0.3, 1.0, 3.0, 10.0)
STEPS: Final = len(RIDGES) + 1
"""One for each ridge, one that solves with the best."""

_FOLDS = 5
_ITERATIONS = 200  # of L-BFGS; it stops by itself long before


class SolvedHeads:
    """The Trainer (see alignment.runs.loop) of reward heads on a frozen body.

    Its metrics: in a step that tries a ridge, the loss and accuracy on left-out pairs; in the last step, on all of them.
    """

    def __init__(
        self, objective: RewardObjective, kept: KeptStates, items: Sequence[EncodedPair], score: nn.Linear
    ) -> None:
        """Prepare.

        Raises:
            UnusableData: the pairs are about fewer prompts than there are folds.
        """
        prompts = sorted({_prompt(item) for item in items})
        if len(prompts) < _FOLDS:
            raise UnusableData(
                f"a frozen body needs pairs about {_FOLDS} prompts or more, here are {len(prompts)}",
                hint="add rows, or train the body as well: reward.body=train",
            )
        at = {prompt: number % _FOLDS for number, prompt in enumerate(prompts)}
        self._objective, self._items, self._score = objective, items, score
        self._fold = [at[_prompt(item)] for item in items]
        states = kept.of(items)
        units = (states[:, 0] - states[:, 1]).transpose(0, 1).flatten(1).std(1).clamp(min=1e-6)
        self._unit = units.repeat_interleave(len(score.weight) // len(units))[:, None]
        self._losses: dict[str, float] = {}

    def step(self, number: int) -> Metrics:
        if number < len(RIDGES):
            tried = self._left_out(RIDGES[number])
            self._losses[str(RIDGES[number])] = tried["loss"]
            return {"ridge": RIDGES[number], **tried}
        best = min(RIDGES, key=lambda ridge: self._losses[str(ridge)])
        self._solve(self._items, best)
        return {"ridge": best, **_mean(self._sums(self._items), len(self._items))}

    def state(self) -> tuple[Mapping[str, Any], Mapping[str, float]]:
        return {"score": self._score.weight.detach().clone()}, dict(self._losses)

    def restore(self, tensors: Mapping[str, Any], numbers: Mapping[str, float]) -> None:
        with torch.no_grad():
            self._score.weight.copy_(tensors["score"])
        self._losses = dict(numbers)

    def _left_out(self, ridge: float) -> Metrics:
        sums: Metrics = {}
        for fold in range(_FOLDS):
            self._solve([item for item, own in zip(self._items, self._fold, strict=True) if own != fold], ridge)
            left = [item for item, own in zip(self._items, self._fold, strict=True) if own == fold]
            for name, figure in self._sums(left).items():
                sums[name] = sums.get(name, 0.0) + figure
        return _mean(sums, len(self._items))

    def _sums(self, items: Sequence[EncodedPair]) -> Metrics:
        with torch.no_grad():
            loss = self._objective.loss(items)
        return {"loss": float(loss.total), **loss.sums}

    def _solve(self, items: Sequence[EncodedPair], ridge: float) -> None:
        weight = self._score.weight
        with torch.no_grad():
            weight.zero_()
        solver = torch.optim.LBFGS([weight], max_iter=_ITERATIONS, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            solver.zero_grad()
            penalty = 0.5 * ridge * (self._unit * weight).square().sum()
            value = self._objective.loss(items).total / len(items) + penalty
            value.backward()
            return value

        solver.step(closure)
        if not bool(torch.isfinite(weight).all()):
            raise NotFinite("the loss", [item.line for item in items])
        solver.zero_grad()


def _mean(sums: Metrics, count: int) -> Metrics:
    return {name: figure / count for name, figure in sums.items()}


def _prompt(item: EncodedPair) -> str:
    return hashlib.sha256(repr(tuple(item.prompt)).encode()).hexdigest()
